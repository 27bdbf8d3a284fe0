"""What a page shows of a job."""

import json
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.api import job_rows
from gaia_redshift.spectra import DR3
from tests.app.jobs.owner import Owner, spectra, table
from tests.gaia_redshift.archive.server import Sky, serving
from tests.tiny import REFERENCE, tiny_redshift, write_tiny_bundle

Start = Callable[..., Owner]
ROWS = 9000


@pytest.fixture(scope="module")
def done(lasting_owner: Owner) -> tuple[Owner, str]:
    """Return an owner with a job that is done: three parts, two rows without a redshift."""
    job = lasting_owner.send(table(ROWS, unusable=(5, 8999)))
    assert lasting_owner.worker.work_once()
    return lasting_owner, job


def rows(owner: Owner, job: str, query: str = "") -> dict[str, Any]:
    reply = owner.ask("GET", f"/jobs/{job}/rows?{query}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_rows_come_in_pages_with_their_columns(done: tuple[Owner, str]) -> None:
    owner, job = done
    page = rows(owner, job, "offset=4094&limit=4")
    assert [row["row"] for row in page["rows"]] == [4094, 4095, 4096, 4097]
    assert [row["name"] for row in page["rows"]][3] == "galaxy 4097"
    assert page["rows"][0]["source_id"] == "5000000000000004095"
    assert page["rows"][0]["quality"] == []
    assert page["rows"][0]["redshift"] == pytest.approx(float(tiny_redshift(spectra(ROWS)[4094])), abs=1e-6)
    assert {"rows_total": ROWS, "rows_done": ROWS, "rows_matched": ROWS, "offset": 4094}.items() <= page.items()
    assert [column["name"] for column in page["columns"]] == [
        "source_id", "name", "redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95",
        "quality", "status", "error",
    ]  # fmt: skip
    assert page["columns"][2] | {"description": ""} == {
        "name": "redshift", "type": "number", "description": "", "ucd": "src.redshift.phot",
    }  # fmt: skip
    assert rows(owner, job, "offset=8998&limit=10")["rows"][-1]["row"] == 8999
    assert rows(owner, job, "offset=9000")["rows"] == rows(owner, job, "limit=0")["rows"] == []


def test_rows_are_sorted_and_filtered(done: tuple[Owner, str]) -> None:
    owner, job = done
    redshift = tiny_redshift(spectra(ROWS)).astype(np.float64).round(6)
    redshift[[5, 8999]] = np.nan
    order = np.argsort(-redshift, kind="stable")
    top = rows(owner, job, "sort=-redshift&limit=5")
    assert [row["redshift"] for row in top["rows"]] == pytest.approx(redshift[order[:5]].tolist(), abs=2e-6)
    last = rows(owner, job, f"sort=redshift&offset={ROWS - 2}")
    assert [row["row"] for row in last["rows"]] == [5, 8999], "what has no value comes last"
    found = rows(owner, job, "filter=redshift<0.25;row>=4000;status=ok&sort=row")
    expected = np.flatnonzero((redshift < 0.25) & (np.arange(ROWS) >= 4000))
    assert abs(found["rows_matched"] - len(expected)) <= 1  # a redshift is rounded
    assert found["rows"][0]["row"] == expected[0]
    assert rows(owner, job, "filter=STATUS=error")["rows_matched"] == 2
    assert rows(owner, job, "filter=error~CONSTANT")["rows"][1]["row"] == 8999
    assert rows(owner, job, "filter=source_id=5000000000000000008")["rows"][0]["row"] == 7
    assert rows(owner, job, "filter=status!=ok;name=galaxy 5")["rows_matched"] == 1
    assert rows(owner, job, "filter=redshift>5")["rows"] == []


def test_what_cannot_be_asked_of_rows_is_refused(done: tuple[Owner, str]) -> None:
    owner, job = done
    for query in (
        "sort=colour", "sort=", "filter=redshift", "filter=redshift<red", "filter=colour>1", "filter=<1", "limit=1001",
        "offset=-1", "offset=x", "limits=3", "filter=row<one",
    ):  # fmt: skip
        assert owner.code(owner.ask("GET", f"/jobs/{job}/rows?{query}")) == (422, "invalid_request"), query


def test_rows_of_a_job_that_waits_are_none(owner: Owner) -> None:
    job = owner.send(table(3))
    page = rows(owner, job, "sort=redshift")
    assert (page["rows"], page["rows_done"], page["rows_total"]) == ([], 0, None)
    assert owner.code(owner.ask("GET", f"/jobs/{job}/rows/0")) == (404, "not_found")


def test_a_row_comes_with_its_spectrum_and_the_answer(done: tuple[Owner, str]) -> None:
    owner, job = done
    found = owner.ask("GET", f"/jobs/{job}/rows/4100").json()
    assert found["row"]["name"] == "galaxy 4100"
    assert found["flux"] == pytest.approx(spectra(ROWS)[4100].tolist())
    assert found["wavelength_nm"] == pytest.approx(DR3.wavelength_nm.tolist(), abs=1e-3)
    (answer,) = found["answers"]
    assert answer["prior"] == "survey"
    assert answer["redshift"] == found["row"]["redshift"]
    assert answer["redshift_upper95"] == found["row"]["redshift_upper95"]
    assert answer["pdf"] is found["bin_edges"] is found["error"] is None
    unusable = owner.ask("GET", f"/jobs/{job}/rows/5").json()
    assert unusable["answers"] == []
    assert unusable["row"]["status"] == "error"
    for number in (ROWS, -1):
        assert owner.code(owner.ask("GET", f"/jobs/{job}/rows/{number}")) == (404, "not_found")
    assert owner.code(owner.ask("GET", f"/jobs/{job}/rows/x")) == (422, "invalid_request")


def test_a_density_is_given_under_each_prior(owner: Owner, start_jobs: Start) -> None:
    write_tiny_bundle(owner.settings.models / "density", "density", density=True)
    service = start_jobs(default_model="density")
    prior = {"redshift": [0, 0.3, 0.6], "density": [0, 1, 0]}
    job = service.send(table(3), prior=json.dumps(prior))
    assert service.worker.work_once()
    found = service.ask("GET", f"/jobs/{job}/rows/1").json()
    assert [answer["prior"] for answer in found["answers"]] == ["survey", "flat", "table"]
    widths = np.diff(found["bin_edges"])
    for answer in found["answers"]:
        assert np.dot(widths, answer["pdf"]) == pytest.approx(1, abs=1e-3)
    assert found["answers"][2]["redshift"] == found["row"]["redshift"]
    assert found["answers"][0]["redshift"] != found["answers"][1]["redshift"]


@pytest.mark.skipif(not (REFERENCE / "gaia_xp").exists(), reason="the archive's files are not here")
def test_a_row_of_the_archive_comes_with_its_errors(owner: Owner) -> None:
    path = REFERENCE / "gaia_xp" / "XP_CONTINUOUS_RAW.fits"
    job = owner.send(path.read_bytes(), "application/fits", snr="true")
    assert owner.worker.work_once()
    found = owner.ask("GET", f"/jobs/{job}/rows/0").json()
    ratio = np.array(found["flux"]) / np.array(found["error"])
    assert found["row"]["snr_bp"] == pytest.approx(np.median(ratio[: DR3.bp.count]), rel=1e-4)
    assert found["row"]["snr_rp"] == pytest.approx(np.median(ratio[DR3.bp.count :]), rel=1e-4)


def test_events_tell_how_a_job_comes_to_its_end(owner: Owner) -> None:
    job = owner.send(table(3))
    assert owner.worker.work_once()
    text = owner.client.get(f"/jobs/{job}/events").text
    event, number, data = text.strip().splitlines()
    assert event == "event: end"
    assert number.startswith("id: ")
    assert json.loads(data.removeprefix("data: ")) == owner.job(job)


def after_the_first_event(monkeypatch: pytest.MonkeyPatch, do: Callable[[], object]) -> threading.Thread:
    """Do something in a thread after the first event was sent; return the thread."""
    write = job_rows._event
    thread = threading.Thread(target=do)

    def written(caller: Any, job: Any) -> bytes:
        event = write(caller, job)
        if thread.ident is None:
            thread.start()
        return event

    monkeypatch.setattr(job_rows, "_event", written)
    return thread


def test_events_of_a_job_that_runs_begin_with_its_progress_and_end_with_its_end(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = owner.send(table(3))
    work = after_the_first_event(monkeypatch, owner.worker.work_once)
    reply = owner.client.get(f"/jobs/{job}/events")
    work.join()
    assert reply.headers["content-type"].startswith("text/event-stream")
    events = [part.splitlines() for part in reply.text.strip().split("\n\n")]
    assert events[0][0] == "event: progress"
    assert json.loads(events[0][2].removeprefix("data: "))["phase"] == "QUEUED"
    assert events[-1][0] == "event: end"
    assert json.loads(events[-1][2].removeprefix("data: "))["phase"] == "COMPLETED"


def test_events_of_a_job_that_is_destroyed_end_with_an_error(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = owner.send(table(3))
    destroy = after_the_first_event(monkeypatch, lambda: owner.ask("DELETE", f"/jobs/{job}"))
    text = owner.client.get(f"/jobs/{job}/events").text
    destroy.join()
    event, data = text.strip().split("\n\n")[-1].splitlines()
    assert event == "event: error"
    assert json.loads(data.removeprefix("data: "))["error"]["code"] == "unknown_job"


def test_the_grid_is_told_without_jobs(service: Any) -> None:
    found = service.get("/grid").json()
    assert found["samples"] == len(found["wavelength_nm"]) == 186
    assert [band["samples"] for band in found["bands"]] == [80, 106]
    assert service.get("/grid?model=none").status_code == 404


def test_sources_are_fetched_in_their_order_and_the_missing_are_told(start_jobs: Start) -> None:
    with serving(Sky()) as sky:
        owner = start_jobs(archive_url=sky.url)
        ids = [150, 99, 101, 150]
        made = owner.ask("POST", "/jobs", json={"source_ids": ids, "phase": "RUN", "format": "csv"})
        assert made.status_code == 201, made.text
        assert owner.worker.work_once()
        job = made.json()["job_id"]
        page = rows(owner, job)
        assert [row["source_id"] for row in page["rows"]] == ["150", "99", "101", "150"]
        assert [row["status"] for row in page["rows"]] == ["ok", "error", "ok", "ok"]
        assert "not_in_archive" in page["rows"][1]["error"]
        assert page["rows"][0]["redshift"] == page["rows"][3]["redshift"]
        assert owner.result(job).startswith(b"source_id,redshift")
        by_form = owner.ask("POST", "/jobs", data={"SOURCE_ID": "150,101", "phase": "RUN"})
        assert by_form.status_code == 201, by_form.text
        too_many = start_jobs(archive_url=sky.url, jobs_max_sources=2)
        refused = too_many.ask("POST", "/jobs", json={"source_ids": [1, 2, 3]})
        assert too_many.code(refused) == (422, "invalid_request")
