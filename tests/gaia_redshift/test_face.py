import subprocess
import sys
from importlib.metadata import version

import pytest

import gaia_redshift

_UNINSTALLED = """
import importlib.metadata

def distribution(name):
    raise importlib.metadata.PackageNotFoundError(name)

importlib.metadata.distribution = distribution
import gaia_redshift
print(gaia_redshift.predict([[0.0] * 185 + [1.0]])["redshift"].size)
"""


def test_every_name_of_the_public_api_is_there() -> None:
    assert [name for name in gaia_redshift.__all__ if not hasattr(gaia_redshift, name)] == []


def test_the_version_is_that_of_the_installed_metadata() -> None:
    assert gaia_redshift.__version__ == version("gaia-redshift")


def test_an_unknown_name_is_refused_as_in_any_module() -> None:
    with pytest.raises(AttributeError, match="module 'gaia_redshift' has no attribute 'Predicter'"):
        _ = gaia_redshift.Predicter  # type: ignore[attr-defined]


def test_a_folder_that_is_on_the_path_and_not_installed_predicts() -> None:
    done = subprocess.run([sys.executable, "-c", _UNINSTALLED], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
