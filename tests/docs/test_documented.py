"""Nothing that a user can meet may be undocumented, and nothing documented may be gone."""

import re
from pathlib import Path
from typing import get_args

import pytest

from app.errors import HttpError
from app.settings import Settings
from gaia_redshift import errors
from gaia_redshift.commands.main import COMMANDS
from gaia_redshift.interpretation.quality import QualityFlag
from gaia_redshift.spectra import Unusable

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [*DOCS.rglob("*.md"), *DOCS.parent.glob("*.md")]


def first_cells(page: str) -> set[str]:
    """Return the names in backquotes in the first column of a page's tables."""
    text = (DOCS / "reference" / page).read_text()
    return set(re.findall(r"^\| `([^`]+)`", text, flags=re.MULTILINE))


def all_errors(kind: type[errors.RedshiftError]) -> set[str]:
    return {kind.code}.union(*map(all_errors, kind.__subclasses__()))


def test_every_setting_is_documented_with_its_title() -> None:
    text = (DOCS / "reference" / "settings.md").read_text()
    names = {f"GAIA_REDSHIFT_{name.upper()}" for name in Settings.model_fields}
    assert first_cells("settings.md") == names
    for name, field in Settings.model_fields.items():
        assert field.title
        (row,) = re.findall(rf"^\| `GAIA_REDSHIFT_{name.upper()}` .*", text, flags=re.MULTILINE)
        assert row.endswith(f"| {field.title} |")


def test_every_error_code_is_documented() -> None:
    codes = all_errors(errors.RedshiftError) | set(HttpError._CODES.values())
    assert first_cells("errors.md") == codes


def test_every_quality_flag_and_row_reason_is_documented() -> None:
    reasons = {"ragged_row", "missing_value", "not_a_number", "not_finite", "constant_spectrum", "implausible_units"}
    reasons.add("not_in_archive")
    reasons.add("beyond_model")
    reasons |= {"unknown_basis", "invalid_ebv"}
    assert len(Unusable) == 4
    paths = {cell for cell in first_cells("http.md") if cell.startswith(("GET ", "POST ", "DELETE "))}
    assert first_cells("http.md") - paths == reasons
    assert first_cells("quality.md") == set(get_args(QualityFlag))


def test_every_command_is_documented() -> None:
    from importlib.metadata import entry_points

    documented = {cell.split()[0] for cell in first_cells("commands.md")}
    assert documented == {entry.name for entry in entry_points(group=COMMANDS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target
