import importlib.metadata
import re
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement

from tests.wheel import looks
from tests.wheel.environment import LEFT_BEHIND, ROOT, Environment, build_wheel, demand

LOCK = [
    Requirement(line)
    for line in re.findall(
        r"^(\S+==.*?) \\$", (ROOT / "requirements" / "library.txt").read_text(), flags=re.MULTILINE
    )
]  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"), sys.executable)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Return an environment with the wheel, and of this one's packages those that the library's lock names."""
    folder = tmp_path_factory.mktemp("installation")
    made = Environment(folder / "environment", folder / "user")
    for pin in LOCK:
        if pin.marker and not pin.marker.evaluate():
            continue
        distribution = importlib.metadata.distribution(pin.name)
        for name in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            link = made.site_packages / name
            if not link.is_symlink():  # two distributions may share a namespace
                link.symlink_to(Path(str(distribution.locate_file(name))))
    demand(*made.pip, "install", "--quiet", "--no-index", "--no-deps", wheel)
    return made


def test_the_wheel_holds_the_library_and_the_models_alone(wheel: Path) -> None:
    looks.contents(wheel)


def test_what_a_build_of_an_earlier_version_left_is_not_packed(wheel: Path) -> None:
    folders = {str(Path(name).parent) for name in ZipFile(wheel).namelist()}
    assert "gaia_redshift/tables" in folders
    assert not folders & set(LEFT_BEHIND)


def test_the_lock_holds_all_that_the_library_needs_and_nothing_of_the_service(environment: Environment) -> None:
    looks.dependencies(environment)
    demand(*environment.pip, "check")


def test_python_predicts_outside_the_checkout_beside_an_app_of_the_user(environment: Environment) -> None:
    looks.library(environment)


def test_the_shipped_models_are_installed(environment: Environment) -> None:
    looks.models(environment)


def test_the_command_and_the_module_predict_outside_the_checkout(environment: Environment) -> None:
    looks.predict(environment)


def test_what_needs_the_checkout_or_the_image_says_so_in_one_line(environment: Environment) -> None:
    looks.hints(environment)
