"""The tree is what its maps say: packages, tests, paths in CONTRIBUTING.md, one version."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "gaia_redshift", "training")
ELSEWHERE = ROOT / "tests" / "elsewhere.txt"
LEAST_PATH = 2
"""Names in a path that CONTRIBUTING.md must have right; a single name may be that of a class."""


def modules() -> list[str]:
    """Return the modules of all packages as paths; what only gathers others has nothing to test."""
    found = [path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if path.name != "__init__.py"]
    return sorted(str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts)


def mirror(module: str) -> Path:
    return ROOT / "tests" / Path(module).parent / f"test_{Path(module).name}"


def elsewhere() -> dict[str, list[str]]:
    lines = [line.split() for line in ELSEWHERE.read_text(encoding="utf-8").splitlines()]
    return {module: tests for module, *tests in lines if not module.startswith("#")}


@pytest.mark.parametrize("folder", [".", "app", "training"])
def test_the_list_of_packages_is_complete(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))
    listed = set(project["tool"]["setuptools"]["packages"])
    top = "gaia_redshift" if folder == "." else folder
    found = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / top).rglob("__init__.py")}
    # The scripts that made the simulator's data run in a checkout alone; the models are data that ship as a package.
    assert listed == found - {"training.simulation.build"} | ({"gaia_redshift.models"} if folder == "." else set())


def test_each_module_has_its_mirrored_test_or_a_line_that_says_where_it_is_tested() -> None:
    unknown = [module for module in modules() if not mirror(module).exists() and module not in elsewhere()]
    assert not unknown, f"add tests/.../test_NAME.py, or a line in tests/elsewhere.txt, for {', '.join(unknown)}"


def test_each_line_of_elsewhere_is_needed_and_names_tests_that_exist() -> None:
    for module, tests in elsewhere().items():
        assert (ROOT / module).exists(), module
        assert not mirror(module).exists(), f"{module} has its mirrored test: remove its line"
        assert tests, module
        assert all((ROOT / "tests" / test).exists() for test in tests), (module, tests)


def test_the_paths_in_contributing_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    paths = [path for path in re.findall(r"`([\w./-]+)`", text) if len(Path(path).parts) >= LEAST_PATH]
    assert len(paths) > 10
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_citation_has_the_version_and_the_date_of_the_changelog() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = project["project"]["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {version}\n" in citation
    (date,) = re.findall(r'date-released: "([\d-]+)"', citation)
    assert f"## {version} - {date}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_hooks_before_a_commit_run_what_ci_checks_with_the_locked_tools() -> None:
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    (lint,) = re.findall(
        r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    for tool in re.findall(r"\$\(BIN\)/([\w-]+)", lint):
        assert f".venv/bin/{tool}" in hooks
    assert "://" not in hooks
