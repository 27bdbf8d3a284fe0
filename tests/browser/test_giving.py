"""Spectra given to the page: as files, pasted, by their source ids, with a key and without jobs."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from playwright.sync_api import Page, expect

from app.serving.security import make_key
from gaia_redshift import predict
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.formats import FORMATS
from tests.browser.acts import EXAMPLE, cells, saved
from tests.browser.conftest import Visits, wait_for_galaxies
from tests.gaia_redshift.archive.server import Sky, serving
from tests.server import Start
from tests.tiny import REFERENCE


def test_the_example_is_a_click_away(example: Page) -> None:
    expect(example.locator("#progress-text")).to_contain_text("300 rows, 1 without a redshift")
    expect(example.locator("#row h4").first).to_have_text("Spectrum")
    expect(example.locator("#row figure")).to_have_count(2)
    assert example.locator("#overview figure").count() == 3


@pytest.mark.parametrize("kind", ["csv", "fits", "votable", "parquet"])
def test_a_file_of_any_format_becomes_a_table_of_redshifts(page: Page, kind: str, tmp_path: Path) -> None:
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


def paste(page: Page, text: str) -> None:
    """Paste a spectrum, and send it."""
    if not page.locator("#pasted").is_visible():
        page.click("text=Paste a spectrum")
    page.fill("#pasted", text)
    page.click("#paste button")


def example_flux() -> list[float]:
    """Return the first spectrum of the example, 186 fluxes."""
    return [float(one) for one in EXAMPLE.read_text().splitlines()[1].split(",")[1:]]


def untruncated(flux: list[float]) -> list[list[float]]:
    """Return all 120 samples of each band, which the service truncates."""
    return [
        np.pad(values, (band.kept.start, band.samples - band.kept.stop)).tolist()
        for values, band in ((flux[: DR3.bp.count], DR3.bp), (flux[DR3.bp.count :], DR3.rp))
    ]


def words(values: Sequence[object]) -> str:
    return ", ".join(map(str, values))


FORMS = ("two lines", "all samples", "both bands twice", "JSON", "Python", "a request", "list")


@pytest.mark.parametrize("form", FORMS)
def test_bands_are_pasted_in_every_form(page: Page, form: str) -> None:
    flux = example_flux()
    bp, rp = flux[: DR3.bp.count], flux[DR3.bp.count :]
    whole = untruncated(flux)
    named = {"source_id": 5853498713190525696, "bp": whole[0], "rp": whole[1]}
    text = {
        "two lines": f"{words(bp)}\n{words(rp)}",
        "all samples": f"[{words(whole[0])}]\n\n[{words(whole[1])}]\n",
        "both bands twice": "\n".join([words(bp), words(rp)] * 2),
        "JSON": json.dumps({"bp": bp, "rp": rp}, indent=1),
        "Python": f"{{'bp': [{words(bp)}], 'rp': [{words(rp)}]}}",
        "a request": json.dumps({"spectra": [named, named]}),
        "list": json.dumps([{"flux": flux}]),
    }[form]
    paste(page, text)
    wait_for_galaxies(page)
    expected = float(predict(np.array([flux]))["redshift"][0])
    many = 2 if form in {"both bands twice", "a request"} else 1
    assert cells(page, "redshift") == pytest.approx([expected] * many, abs=2e-4)
    if form == "a request":
        expect(page.locator("#table td.c-source_id")).to_have_text(["5853498713190525696"] * 2)


def test_errors_of_a_pasted_spectrum_are_shown(page: Page) -> None:
    flux = example_flux()
    bp, rp = flux[: DR3.bp.count], flux[DR3.bp.count :]
    wrong = {
        words(flux[:-1]): "That is 185 numbers",
        f"{words(bp[:-1])}\n{words(rp)}": "That is 185 numbers in lines of 79, 106",
        words(bp): "That is 80 numbers",
        words([*flux[:99], "red", *flux[100:]]): "“red” in line 1 is not a number",
        json.dumps({"bp": bp}): "rp is missing: bp and rp belong together",
        json.dumps({"bp": bp, "rp": rp[:-2]}): "rp has 104 numbers: it needs 106, or all 120",
        json.dumps([{"bp": bp, "rp": rp}, {"bp": bp, "rp": [*rp[:-1], "red"]}]): "Spectrum 2: rp[105] is “red”",
        json.dumps([{"bp": bp, "rp": rp}, {"flux": flux}]): "Spectrum 2 has another number of fluxes",
        json.dumps({"colour": bp}): "it needs flux, or bp and rp",
        f'{{"bp": [{words(bp)}, "rp": [{words(rp)}]}}': "That is not JSON",
    }
    for text, said in wrong.items():
        paste(page, text)
        expect(page.locator("#problem")).to_contain_text(said)
    paste(page, words(flux))
    wait_for_galaxies(page)
    expect(page.locator("#problem")).to_be_hidden()


def test_source_ids_are_fetched_where_the_service_may(visits: Visits, start: Start, tmp_path: Path) -> None:
    with serving(Sky()) as sky, start(engine="onnx", jobs_folder=str(tmp_path), archive_url=sky.url) as server:
        page = visits(server.url).open()
        page.click("text=Source ids")
        page.fill("#ids", "150, 1e5")
        page.click("#sources button")
        expect(page.locator("#problem")).to_contain_text("“1e5” is not a source id")
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


def test_where_keys_are_needed_the_page_asks_for_one(visits: Visits, start: Start, tmp_path: Path) -> None:
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
        expect(page.locator("#no-jobs")).to_contain_text("The input was read as: ")
