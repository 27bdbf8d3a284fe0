"""Looking at galaxies: the table, its charts, one galaxy."""

import re
from functools import cache
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import etree
from playwright.sync_api import Page, expect
from pyarrow import parquet

from app.api.pages import WEB
from gaia_redshift import predict
from tests.browser.acts import EXAMPLE, cells, drag
from tests.browser.conftest import Visits, wait_for_galaxies

BOXES = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.left, box.top, box.right, box.bottom])"
"""In the browser: the boxes of elements."""


@cache
def flags() -> list[str]:
    """Return the flags of the 300 galaxies of the built-in example, as the library gives them."""
    found: list[str] = predict(parquet.read_table(WEB / "example.parquet"))["quality"].to_pylist()
    return found


def flagged(name: str) -> int:
    """Return how many of the 300 have a flag."""
    return sum(name in (each or "").split("|") for each in flags())


def test_columns_are_sorted_both_ways_and_rows_opened_by_keyboard(example: Page) -> None:
    button = example.locator("#table th.c-redshift button")
    for sign, order in (("▲", 1), ("▼", -1)):
        button.click()
        expect(button).to_contain_text(sign)
        shown = cells(example, "redshift")
        assert shown == sorted(shown, reverse=order < 0)
    example.locator("#table table").focus()
    example.keyboard.press("ArrowDown")
    example.keyboard.press("ArrowDown")
    third = example.locator("#table tbody tr").nth(2).locator("td.c-row").inner_text()
    example.keyboard.press("Enter")
    expect(example.locator("#row-title")).to_have_text(f"Row {third}")
    assert f"row={third}" in example.url


def test_brushing_one_chart_selects_in_table_and_charts(example: Page) -> None:
    drag(example, example.locator("#overview svg").first, 0.5, 0.8)
    expect(example.locator("#conditions li")).to_have_count(3)  # both ends, and what removes all
    expect(example.locator("#matched")).to_contain_text("of 300 rows match the filters")
    low, high = (float(example.input_value(one)) for one in ("#z-from", "#z-to"))
    assert all(low <= z <= high for z in cells(example, "redshift"))
    expect(example.locator("#overview .points.grey")).to_have_count(1)
    expect(example.locator("#overview .chart-text").first).to_contain_text("of 299 redshifts selected")
    drag(example, example.locator("#overview svg").nth(1), 0.1, 0.4)
    expect(example.locator("#conditions")).to_contain_text("brightness>=")
    example.click("text=Remove all")
    expect(example.locator("#matched")).to_contain_text("300 rows.")
    example.locator("#overview .flags button", has_text="bimodal").click()
    expect(example.locator("#matched")).to_contain_text(f"{flagged('bimodal')} of 300")
    assert all("bimodal" in text for text in example.locator("#table td.c-quality").all_inner_texts())


def test_the_inferred_distribution_is_shown_with_the_stacked_one(example: Page) -> None:
    figure = example.locator("#overview figure").first
    said = figure.locator(".chart-text")
    job = parse_qs(urlsplit(example.url).query)["job"][0]
    reply = example.request.get(f"{urlsplit(example.url)._replace(path=f'/jobs/{job}/nz', query='').geturl()}").json()
    assert reply["galaxies"] > 250
    expect(said).to_contain_text(f"n(z) inferred from {reply['galaxies']} galaxies")
    expect(said).to_contain_text(f"{reply['redshift_mean']:.3f} ± {reply['redshift_mean_error']:.3f}")
    figure.locator("summary").click()
    expect(figure.locator("table")).to_have_count(2)  # they are made when the list is opened
    rows = [one.split("\t") for one in figure.locator("table").nth(1).locator("tr").all_inner_texts()]
    assert rows[0] == ["from", "to", "inferred", "error"]
    told = [one for one in reply["intervals"] if one["n"] is not None]
    assert [[float(cell) for cell in row] for row in rows[1:]] == [
        pytest.approx([one["z_low"], one["z_high"], one["n"], one["error"]], abs=0.051) for one in told
    ]
    assert figure.locator("svg .line.inferred").count() > 5
    expect(figure.locator("svg text", has_text="inferred n(z)")).to_be_visible()
    drag(example, figure.locator("svg"), 0.5, 0.8)
    expect(figure.locator("svg text", has_text="inferred, all")).to_be_visible()
    expect(said).to_contain_text("for all rows, not for the selection")


def test_too_few_galaxies_for_an_inferred_distribution_are_reported(page: Page) -> None:
    page.set_input_files("#file", str(EXAMPLE))
    wait_for_galaxies(page)
    expect(page.locator("#overview .chart-text").first).to_contain_text("needs at least 200 galaxies")


def test_flags_are_explained_in_the_table(example: Page) -> None:
    example.locator("#overview .flags button", has_text="bimodal").click()
    expect(example.locator("#matched")).to_contain_text(f"{flagged('bimodal')} of 300")
    expect(example.locator("#table abbr").first).to_have_attribute("title", re.compile("two modes"))
    example.locator("#table tbody tr").first.click()
    expect(example.locator("#row .flag-list")).to_contain_text("two modes")


def test_rows_without_a_redshift_tell_why(example: Page) -> None:
    example.locator("#overview .flags button", has_text="constant_spectrum").click()
    expect(example.locator("#matched")).to_contain_text("1 of 300")
    example.locator("#table tbody tr").first.click()
    expect(example.locator("#row")).to_contain_text("No redshift: constant_spectrum")


def test_names_of_lines_never_overlap_wherever_they_are_moved(visits: Visits) -> None:
    for width in (360, 1400):
        page = visits(viewport={"width": width, "height": 900}).open()
        page.click("#example")
        wait_for_galaxies(page)
        for z in ("0", "0.07", "0.3", "0.6"):
            page.locator("#slide").fill(z)
            expect(page.locator("#row .chart-text").first).to_contain_text(f"z = {float(z):.3f}")
            boxes = page.locator("#row svg").first.locator("text").evaluate_all(BOXES)
            for at, (left, top, right, bottom) in enumerate(boxes):
                for other in boxes[:at]:
                    apart = right <= other[0] or other[2] <= left or bottom <= other[1] + 3 or other[3] <= top + 3
                    assert apart, (width, z, boxes[at], other)


def test_charts_have_words_and_numbers_and_are_saved_as_svg(visits: Visits, tmp_path: Path) -> None:
    page = visits(accept_downloads=True).open()
    page.click("#example")
    wait_for_galaxies(page)
    charts = page.locator("svg.chart")
    assert charts.count() == 4
    for chart in charts.all():
        assert len(chart.get_attribute("aria-label") or "") > 40
    page.locator("#row figure").last.locator("summary").click()
    expect(page.locator(".numbers tbody tr").first).to_be_visible()
    with page.expect_download() as coming:
        page.locator("#row figure").first.get_by_text("Save as SVG").click()
    path = tmp_path / coming.value.suggested_filename
    coming.value.save_as(path)
    root = etree.parse(str(path)).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    lines = root.findall(".//{*}path[@stroke]")
    assert {"none", "rgb(0, 0, 0)"} != {line.get("stroke") for line in lines}
    assert root.findtext("{*}title", "").startswith("Spectrum")


def test_your_own_prior_is_shown_with_the_others(page: Page) -> None:
    page.click("text=Options")
    page.select_option("#prior", "own")
    page.click("#example")
    wait_for_galaxies(page)
    expect(page.locator("#row .chart-text").last).to_contain_text("your prior: z =")
    assert page.locator("#row .interval").count() == 6


def test_the_card_of_the_model_is_a_click_away(page: Page) -> None:
    page.click("#show-card")
    expect(page.locator("#dialog")).to_contain_text("simulated spectra")
    expect(page.locator("#dialog")).to_contain_text("nmad")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()
