"""Taking the table away: saved in every format, and sent to other programs."""

import re
from pathlib import Path

import pytest
from astropy.table import Table
from playwright.sync_api import Page, expect

from gaia_redshift.tables.formats import opened
from tests.browser.acts import saved
from tests.browser.conftest import LONG, Visits, wait_for_galaxies
from tests.browser.hub import hub


@pytest.mark.parametrize("kind", ["csv", "ecsv", "fits", "votable", "parquet", "arrow", "jsonl"])
def test_what_is_selected_is_saved_in_every_format(visits: Visits, kind: str, tmp_path: Path) -> None:
    page = visits(accept_downloads=True).open()
    page.click("#example")
    wait_for_galaxies(page)
    page.fill("#z-from", "0.2")
    page.click("#range button")
    expect(page.locator("#matched")).to_contain_text("of 300")
    wanted = int(re.findall(r"\d+", page.inner_text("#matched"))[0])
    page.select_option("#format", kind)
    with saved(page, "#download", tmp_path).open("rb") as file, opened(file) as table:
        redshifts = [z for block in table.blocks([table.schema.names.index("redshift")]) for z in block.columns[0]]
    assert len(redshifts) == wanted
    assert min(float(z.as_py()) for z in redshifts) >= 0.2


@pytest.mark.filterwarnings("ignore:.*VOTABLE:astropy.io.votable.exceptions.VOWarning")
def test_a_table_is_sent_by_samp_and_astropy_loads_it(example: Page, tmp_path: Path) -> None:
    example.fill("#z-from", "0.2")
    example.click("#range button")
    expect(example.locator("#matched")).to_contain_text("of 300")
    wanted = int(re.findall(r"\d+", example.inner_text("#matched"))[0])
    with hub(tmp_path) as (received, asked):
        example.click("#topcat")
        expect(example.locator("#progress-text")).to_contain_text("sent to all programs of the SAMP hub")
        message = received.get(timeout=LONG / 1000)
        assert [one["samp.name"] for one in asked] == ["gaia-redshift"], "the hub's owner is asked for leave"
    assert message["name"] == example.inner_text("#job-title")
    table = Table.read(message["url"], format="votable")
    assert len(table) == wanted
    assert min(table["redshift"]) >= 0.2
    assert "redshift" in table["redshift_upper95"].description.lower()
    example.click("#topcat")
    expect(example.locator("#problem")).to_contain_text("No SAMP hub answers")


def test_the_refusal_of_a_hub_is_shown(example: Page, tmp_path: Path) -> None:
    with hub(tmp_path, consents=False) as (received, _):
        example.click("#topcat")
        expect(example.locator("#problem")).to_contain_text("The SAMP hub refused this page")
    assert received.empty()
