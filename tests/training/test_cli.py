import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import typer
from typer.testing import CliRunner

from app.bundle import Bundle
from app.errors import InvalidInputError, MissingDependencyError
from training import cli
from training.recipe import Recipe

from .conftest import KERAS_WARNS, SMALL, csv_table, galaxies

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

WriteCsv = Callable[[pa.Table], Path]
application = typer.Typer()
application.command()(cli.train)


def run(*arguments: str | Path) -> str:
    result = CliRunner().invoke(application, [str(each) for each in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def small_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command train the small network instead of the dissertation's."""

    def small(**chosen: Any) -> Recipe:
        return SMALL.model_copy(update=chosen)

    monkeypatch.setattr(cli, "Recipe", small)


@pytest.mark.usefixtures("small_recipe")
def test_the_command_trains_and_writes_a_bundle(
    write_csv: WriteCsv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_csv(csv_table(*galaxies(150)))
    said = run(data, "-o", "models/mine", "--epochs", "1", "--seed", "9", "--version", "2.0.0", "--observed")
    manifest = Bundle(tmp_path / "models" / "mine").manifest
    assert (manifest.name, manifest.version) == ("mine", "2.0.0")
    assert manifest.training.seed == 9
    assert manifest.training.simulated is False
    assert f"mine 2.0.0, test part MAE {manifest.metrics['mae']:.4f}" in said
    assert (tmp_path / "runs" / "mine" / "history.csv").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--name", "My Model"), ("--name", "../up"), ("--version", "1.0"), ("--version", "1.0.0\n")]
)
def test_a_name_or_version_that_no_bundle_may_have_is_refused_before_training(
    tmp_path: Path, option: str, value: str
) -> None:
    with pytest.raises(InvalidInputError, match=option):
        run(tmp_path / "galaxies.csv", "-o", tmp_path / "mine", option, value)


def test_a_folder_that_is_taken_is_refused_before_training(write_csv: WriteCsv, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(InvalidInputError, match="mine exists already"):
        run(write_csv(csv_table(*galaxies(150))), "-o", tmp_path / "mine")


def test_importing_the_command_loads_no_network_runtime() -> None:
    program = (
        "import sys, training.cli; print([n for n in ('tensorflow', 'keras', 'sklearn', 'onnx') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("missing", ["keras", "tensorflow", "sklearn", "tf2onnx", "joblib", "onnx"])
def test_without_the_training_packages_the_command_says_what_to_install(
    missing: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=rf"needs {missing}, .*pip install 'gaia-redshift\[train\]'"):
        run(tmp_path / "galaxies.csv", "-o", tmp_path / "mine")
