"""What a reader does on the page, each in a real browser before a running service (``make browser-test``)."""

import io
import re
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from lxml import etree
from playwright.sync_api import Locator, Page, expect
from pyarrow import parquet

from gaia_redshift.tables.formats import opened
from tests.browser.conftest import LONG, Visits, wait_for_galaxies
from tests.browser.hub import hub
from tests.gaia_redshift.archive.server import Sky, serving
from tests.server import Start
from tests.tiny import REFERENCE

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "gaia_redshift" / "data" / "example_galaxies.csv"


BOXES = "all => all.map(one => one.getBoundingClientRect()).map(box => [box.left, box.top, box.right, box.bottom])"
"""In the browser: where elements lie."""


def many(rows: int) -> bytes:
    """Return a Parquet table of galaxies like the example's, each a little other than all others."""
    galaxies = np.genfromtxt(EXAMPLE, delimiter=",", skip_header=1)[:, 1:]
    random = np.random.default_rng(2)
    flux = galaxies[random.integers(0, len(galaxies), rows)] * random.normal(1, 0.02, (rows, 1))
    flux += random.normal(0, 0.02, flux.shape)
    file = io.BytesIO()
    columns = {
        "source_id": pyarrow.array(range(10**18, 10**18 + rows)),
        "flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.astype(np.float32).ravel()), flux.shape[1]),
    }
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


def cells(page: Page, column: str) -> list[float]:
    """Return the numbers of a column that are in sight."""
    return [float(text) for text in page.locator(f"#table td.c-{column}").all_inner_texts() if text not in {"", "…"}]


def drag(page: Page, chart: Locator, start: float, stop: float) -> None:
    """Drag from one part of a chart's width to another, over most of its height."""
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    page.mouse.move(box["x"] + start * box["width"], box["y"] + 0.1 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + stop * box["width"], box["y"] + 0.8 * box["height"], steps=5)
    page.mouse.up()


def saved(page: Page, button: str, folder: Path) -> Path:
    with page.expect_download(timeout=LONG) as coming:
        page.click(button)
    path = folder / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def test_the_example_is_a_click_away(example: Page) -> None:
    expect(example.locator("#progress-text")).to_contain_text("300 rows, 1 without a redshift")
    expect(example.locator("#row h4").first).to_have_text("Spectrum")
    expect(example.locator("#row figure")).to_have_count(2)
    assert example.locator("#overview figure").count() == 3


@pytest.mark.parametrize("kind", ["csv", "fits", "votable", "parquet"])
def test_a_file_of_any_format_becomes_a_table_of_redshifts(page: Page, kind: str, tmp_path: Path) -> None:
    from gaia_redshift import predict

    sent = EXAMPLE
    if kind != "csv":
        suffix = {"fits": ".fits", "votable": ".vot", "parquet": ".parquet"}[kind]
        sent = tmp_path / f"spectra{suffix}"
        flux = np.genfromtxt(EXAMPLE, delimiter=",", skip_header=1)[:, 1:]
        write_spectra(sent, kind, flux)
    page.set_input_files("#file", str(sent))
    wait_for_galaxies(page)
    assert len(cells(page, "redshift")) == 4
    expected = predict(np.genfromtxt(EXAMPLE, delimiter=",", skip_header=1)[:, 1:])["redshift"]
    assert cells(page, "redshift") == pytest.approx(list(expected), abs=2e-4)


def write_spectra(path: Path, kind: str, flux: np.ndarray) -> None:  # type: ignore[type-arg]
    from gaia_redshift.tables.formats import FORMATS

    batch = pyarrow.RecordBatch.from_pydict(
        {"flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), flux.shape[1])}
    )
    with path.open("wb") as file:
        writer = FORMATS[kind].writer(file, {})
        writer.write(batch)
        writer.close()


def test_a_dropped_file_is_taken(page: Page) -> None:
    text = EXAMPLE.read_text()
    page.evaluate(
        """text => { const data = new DataTransfer(); data.items.add(new File([text], "dropped.csv"));
        document.getElementById("drop").dispatchEvent(new DragEvent("drop", {bubbles: true, dataTransfer: data})); }""",
        text,
    )
    wait_for_galaxies(page)
    assert len(cells(page, "redshift")) == 4


def test_a_pasted_spectrum_is_predicted_and_a_wrong_one_is_explained(page: Page) -> None:
    numbers = EXAMPLE.read_text().splitlines()[1].split(",")[1:]
    page.click("text=Paste a spectrum")
    page.fill("#pasted", " ".join(numbers[:-1]))
    page.click("#paste button")
    expect(page.locator("#problem")).to_contain_text("That is 185 numbers")
    page.fill("#pasted", "[" + ", ".join(numbers) + "]")
    page.click("#paste button")
    wait_for_galaxies(page)
    expect(page.locator("#problem")).to_be_hidden()
    assert len(cells(page, "redshift")) == 1


def test_source_ids_are_fetched_where_the_service_may(visits: Visits, start: Start, tmp_path: Path) -> None:
    with serving(Sky()) as sky, start(engine="onnx", jobs_folder=str(tmp_path), archive_url=sky.url) as server:
        page = visits(server.url).open()
        page.click("text=Source ids")
        page.fill("#ids", "150, 1e5")
        page.click("#sources button")
        expect(page.locator("#problem")).to_contain_text("“1e5” is no source id")
        page.fill("#ids", "150, 99\n101")
        page.click("#sources button")
        expect(page.locator("#progress-text")).to_contain_text("done: 3 rows")
        expect(page.locator("#table td.c-source_id")).to_have_text(["150", "99", "101"])
        expect(page.locator("#table td.c-error").nth(1)).to_contain_text("not_in_archive")


@pytest.mark.skipif(not (REFERENCE / "gaia_xp").exists(), reason="the archive's files are not here")
def test_a_file_of_the_archive_shows_its_errors(page: Page) -> None:
    page.set_input_files("#file", str(REFERENCE / "gaia_xp" / "XP_CONTINUOUS_RAW.fits"))
    wait_for_galaxies(page)
    assert page.locator("#row svg .band").count() == 2
    expect(page.locator("#row .chart-text").first).to_contain_text("with errors")


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
    expect(example.locator("#matched")).to_contain_text("of 300 rows fit the filters")
    low, high = (float(example.input_value(one)) for one in ("#z-from", "#z-to"))
    assert all(low <= z <= high for z in cells(example, "redshift"))
    expect(example.locator("#overview .points.grey")).to_have_count(1)
    expect(example.locator("#overview .chart-text").first).to_contain_text("of 299 redshifts selected")
    drag(example, example.locator("#overview svg").nth(1), 0.1, 0.4)
    expect(example.locator("#conditions")).to_contain_text("brightness>=")
    example.click("text=Remove all")
    expect(example.locator("#matched")).to_contain_text("300 rows.")
    example.locator("#overview .flags button", has_text="bimodal").click()
    expect(example.locator("#matched")).to_contain_text("15 of 300")
    assert all("bimodal" in text for text in example.locator("#table td.c-quality").all_inner_texts())


def test_flags_are_explained_where_they_stand(example: Page) -> None:
    example.locator("#overview .flags button", has_text="bimodal").click()
    expect(example.locator("#matched")).to_contain_text("15 of 300")
    expect(example.locator("#table abbr").first).to_have_attribute("title", re.compile("two modes"))
    example.locator("#table tbody tr").first.click()
    expect(example.locator("#row .flag-list")).to_contain_text("two modes")


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


def test_errors_say_what_is_wrong_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    bad = tmp_path / "notes.csv"
    bad.write_text("name,colour\nM31,blue\n")
    page.set_input_files("#file", str(bad))
    expect(page.locator("#problem")).to_contain_text("The job failed")
    expect(page.locator("#problem")).to_contain_text("flux")
    page.click("#example")
    wait_for_galaxies(page)
    expect(page.locator("#problem")).to_be_hidden()
    page.select_option("#column", "kind")
    page.select_option("#operator", "=")
    page.fill("#value", "galaxy")
    page.click("#condition button")
    expect(page.locator("#matched")).to_contain_text("of 300")
    page.select_option("#column", "redshift")
    page.fill("#value", "blue")
    page.click("#condition button")
    expect(page.locator("#problem")).to_contain_text("blue")
    expect(page.locator("#conditions li")).to_have_count(1)


def test_rows_without_a_redshift_tell_why(example: Page) -> None:
    example.locator("#overview .flags button", has_text="constant_spectrum").click()
    expect(example.locator("#matched")).to_contain_text("1 of 300")
    example.locator("#table tbody tr").first.click()
    expect(example.locator("#row")).to_contain_text("No redshift: constant_spectrum")


def test_a_long_job_shows_its_progress_and_100000_rows_stay_at_hand(visits: Visits, tmp_path: Path) -> None:
    rows = 100_000
    path = tmp_path / "many.parquet"
    path.write_bytes(many(rows))
    page = visits().open()
    page.set_input_files("#file", str(path))
    expect(page.locator("#progress-text")).to_contain_text("works: ")
    expect(page.locator("#progress-text")).to_contain_text(" of 100,000 rows")
    expect(page.locator("#table tbody tr").first).to_be_visible()  # long before the end
    expect(page.locator("#progress")).to_be_visible()
    expect(page.locator("#progress-text")).to_contain_text("done: 100,000 rows", timeout=4 * LONG)
    expect(page.locator("#matched")).to_contain_text("100,000 rows.")
    page.locator("#table table").focus()
    page.keyboard.press("End")
    expect(page.locator("#table td.c-row").last).to_have_text(str(rows - 1))
    assert page.locator("#table tbody tr").count() < 60
    page.keyboard.press("Home")
    expect(page.locator("#table td.c-row").first).to_have_text("0")


def test_a_job_can_be_aborted(visits: Visits, tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    path.write_bytes(many(60_000))
    page = visits().open()
    page.set_input_files("#file", str(path))
    page.click("#abort")
    expect(page.locator("#progress-text")).to_contain_text("aborted")


def test_two_tabs_show_two_jobs_and_a_link_shows_one_again(visits: Visits) -> None:
    visit = visits()
    first, second = visit.open(), visit.open()
    first.click("#example")
    second.set_input_files("#file", str(EXAMPLE))
    wait_for_galaxies(second)
    wait_for_galaxies(first)
    assert first.url != second.url
    first.fill("#z-to", "0.1")
    first.click("#range button")
    expect(first.locator("#matched")).to_contain_text("of 300")
    first.locator("#table tbody tr").nth(1).click()
    expect(first.locator("#row-title")).to_have_text(
        f"Row {first.locator('#table tbody tr').nth(1).locator('td.c-row').inner_text()}"
    )
    third = visit.open(first.url.removeprefix(visit.base))
    wait_for_galaxies(third)
    for part in ("#matched", "#row-title", "#job-title", "#conditions"):
        expect(third.locator(part)).to_have_text(first.inner_text(part))
    expect(second.locator("#matched")).to_contain_text("4 rows.")
    second.click("#show-jobs")
    expect(second.locator("#dialog tbody tr")).not_to_have_count(0)


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


def test_your_own_prior_stands_beside_the_others(page: Page) -> None:
    page.click("text=Options")
    page.select_option("#prior", "own")
    page.click("#example")
    wait_for_galaxies(page)
    expect(page.locator("#row .chart-text").last).to_contain_text("your prior: z =")
    assert page.locator("#row .interval").count() == 6


def test_a_table_goes_to_topcat_by_samp(example: Page) -> None:
    with hub() as calls:
        example.click("#topcat")
        expect(example.locator("#progress-text")).to_contain_text("sent to all programs")
    assert [name for name, *_ in calls] == ["register", "notifyAll", "unregister"]
    (sent,) = [given for name, *given in calls if name == "notifyAll"]
    assert sent[1]["samp.mtype"] == "table.load.votable"
    reply = example.request.get(sent[1]["samp.params"]["url"])
    assert reply.headers["content-type"].startswith("application/x-votable+xml")
    example.click("#topcat")
    expect(example.locator("#problem")).to_contain_text("No SAMP hub answers")


def test_the_card_of_the_model_is_a_click_away(page: Page) -> None:
    page.click("#show-card")
    expect(page.locator("#dialog")).to_contain_text("simulated spectra")
    expect(page.locator("#dialog")).to_contain_text("nmad")
    page.keyboard.press("Escape")
    expect(page.locator("#dialog")).to_be_hidden()


def test_the_documentation_needs_no_other_host(visits: Visits) -> None:
    page = visits().open("/docs")
    expect(page.locator(".swagger-ui .opblock").first).to_be_visible()


def test_where_keys_are_needed_the_page_asks_for_one(visits: Visits, start: Start, tmp_path: Path) -> None:
    from app.serving.security import make_key

    key, digest = make_key()
    settings = {"api_keys": f'{{"reader": "{digest}"}}', "jobs_folder": str(tmp_path), "engine": "onnx"}
    with start(**settings) as server:
        page = visits(server.url, accept_downloads=True).open()
        expect(page.locator("#problem")).to_contain_text("API key")
        page.fill("#key", key)
        page.click("#key-form button")
        expect(page.locator("#model option")).not_to_have_count(0)
        page.click("#example")
        wait_for_galaxies(page)
        assert saved(page, "#download", tmp_path).stat().st_size > 10_000


def test_without_jobs_a_table_is_answered_by_a_download(visits: Visits, start: Start, tmp_path: Path) -> None:
    with start(engine="onnx") as server:
        page = visits(server.url, accept_downloads=True).open()
        expect(page.locator("#no-jobs")).to_contain_text("GAIA_REDSHIFT_JOBS_FOLDER")
        with page.expect_download() as coming:
            page.set_input_files("#file", str(EXAMPLE))
        path = tmp_path / "answer.csv"
        coming.value.save_as(path)
        assert "redshift_lower95" in path.read_text().splitlines()[0]
        expect(page.locator("#no-jobs")).to_contain_text("It was taken for: ")
