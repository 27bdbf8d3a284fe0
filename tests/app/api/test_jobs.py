"""``/jobs`` by UWS and in JSON, with a worker in the test's thread."""

import io
import threading
import time
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pyarrow
import pytest
from pyarrow import parquet

from tests.app.jobs.owner import PARQUET, Owner, table

UWS = "{http://www.ivoa.net/xml/UWS/v1.0}"
Start = Callable[..., Owner]


def test_a_job_gives_what_predict_table_gives(owner: Owner) -> None:
    content = table(5000, unusable=(17, 4999))
    job = owner.send(content, RUNID="mine")
    assert owner.job(job)["phase"] == "QUEUED"
    assert owner.worker.work_once()
    done = owner.job(job)
    assert done["phase"] == "COMPLETED"
    assert done["run_id"] == "mine"
    assert done["progress"] == {"rows_done": 5000, "rows_failed": 2, "rows_total": 5000, "fraction": 1.0}
    assert done["recognised"].startswith("parquet: Gaia DR3 samples")
    (result,) = done["results"]
    content_of_result = owner.result(job)
    assert result["size"] == len(content_of_result)
    assert result["mime_type"] == PARQUET
    # Parquet's row groups may differ; the tables are the same, including their metadata.
    mine, theirs = (parquet.read_table(io.BytesIO(one)) for one in (content_of_result, owner.predicted(content)))
    assert mine.equals(theirs, check_metadata=True)
    assert mine["source_id"][4999].as_py() == 5_000_000_000_000_005_000


@pytest.mark.parametrize("name", ["csv", "fits", "votable", "ecsv", "jsonl", "arrow"])
def test_the_result_has_the_format_that_is_asked_for(owner: Owner, name: str) -> None:
    content = table(30)
    job = owner.send(content, format=name)
    assert owner.worker.work_once()
    assert owner.job(job)["phase"] == "COMPLETED", owner.job(job)
    assert owner.result(job) == owner.predicted(content, format=name)


def test_a_csv_table_keeps_every_cell_as_it_is(owner: Owner) -> None:
    head = ",".join(["name", *(f"flux_{number}" for number in range(186))])
    rows = [f"0{number}.10,{','.join(['0.5', *['0.25'] * 185])}" for number in range(3)]
    content = "\n".join([head, *rows]).encode()
    job = owner.send(content, "text/csv")
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, "text/csv")
    assert b"00.10," in owner.result(job)


def test_a_job_is_created_run_and_destroyed_as_uws_says(owner: Owner) -> None:
    client = owner.client
    made = client.post("/jobs", files={"file": ("a.parquet", table(10), PARQUET)}, data={"runid": "x"})
    assert made.status_code == 303
    place = f"/{made.headers['location']}"
    assert client.get(f"{place}/phase").text == "PENDING"
    run = client.post(f"{place}/phase", data={"PHASE": "RUN"})
    assert run.status_code == 303
    assert run.headers["location"] == f"../{place.rpartition('/')[2]}"
    assert owner.worker.work_once()
    described = client.get(place)
    assert described.headers["content-type"].startswith("text/xml")
    root = ElementTree.fromstring(described.content)  # noqa: S314 - ours
    assert root.tag == f"{UWS}job"
    assert root.findtext(f"{UWS}phase") == "COMPLETED"
    assert root.findtext(f"{UWS}runId") == "x"
    assert root.findtext(f"{UWS}jobInfo/rows_done") == "10"
    (result,) = root.iter(f"{UWS}result")
    href = result.attrib["{http://www.w3.org/1999/xlink}href"]
    assert client.get(href).content == owner.result(place.rpartition("/")[2])
    listed = ElementTree.fromstring(client.get("/jobs").content)  # noqa: S314 - ours
    assert [one.attrib["id"] for one in listed] == [place.rpartition("/")[2]]
    gone = client.delete(place)
    assert (gone.status_code, gone.headers["location"]) == (303, "../jobs")
    for method, path in (
        ("GET", ""), ("GET", "/phase"), ("GET", "/results/result"), ("GET", "/error"), ("GET", "/rows"),
        ("POST", "/phase?PHASE=RUN"), ("POST", "/phase?PHASE=ABORT"), ("DELETE", ""),
    ):  # fmt: skip
        assert owner.code(owner.ask(method, f"{place}{path}")) == (404, "unknown_job"), path
    assert list((owner.settings.jobs_folder or Path()).glob("files/*")) == []


def test_names_of_parameters_are_taken_in_any_case_from_query_form_and_json(owner: Owner) -> None:
    content = table(4)
    one = owner.ask("POST", "/jobs?Format=CSV&ROWS=strict", files={"file": ("a", content)}, data={"RunId": "a"})
    assert one.json()["parameters"] | {"model": ""} == {
        "model": "", "prior": "survey", "pdf": False, "snr": False, "unit": "per_sample", "format": "csv",
        "rows": "strict", "source": "upload", "address": None,
    }  # fmt: skip
    place = f"/jobs/{one.json()['job_id']}"
    assert owner.ask("POST", f"{place}/phase", json={"phase": "run"}).json()["phase"] == "QUEUED"
    assert owner.ask("POST", f"{place}/phase?PHASE=ABORT").json()["phase"] == "ABORTED"
    by_media_type = owner.ask("POST", "/jobs?RESPONSEFORMAT=application/fits", files={"file": ("a", content)})
    assert by_media_type.json()["parameters"]["format"] == "fits"


def test_small_resources_are_plain_text(owner: Owner) -> None:
    job = owner.send(table(4), EXECUTIONDURATION=60)
    place = f"/jobs/{job}"
    assert owner.client.get(f"{place}/executionduration").text == "60"
    assert owner.client.post(f"{place}/executionduration", data={"EXECUTIONDURATION": "120"}).status_code == 303
    assert owner.client.get(f"{place}/executionduration").text == "120"
    most = owner.settings.jobs_max_seconds
    assert owner.ask("POST", f"{place}/executionduration?executionduration=0").json()["execution_duration"] == most
    assert owner.client.get(f"{place}/owner").text == owner.client.get(f"{place}/quote").text == ""
    owner.client.post(f"{place}/destruction", data={"destruction": "2036-01-01T00:00:00"})
    assert owner.client.get(f"{place}/destruction").text < "2036"  # no later than the service allows
    soon = "2026-01-01T00:00:00.000Z"
    assert owner.ask("POST", f"{place}/destruction", data={"destruction": soon}).json()["destruction"] == soon
    assert b"parameter " in owner.client.get(f"{place}/parameters").content
    assert owner.ask("GET", f"{place}/parameters").json()["prior"] == "survey"
    assert owner.ask("GET", f"{place}/results").json() == []


def test_a_job_that_was_not_run_can_be_asked_something_else(owner: Owner) -> None:
    content = table(4)
    job = owner.ask("POST", "/jobs", content=content, headers={"Content-Type": PARQUET}).json()["job_id"]
    place = f"/jobs/{job}/parameters"
    assert owner.client.post(place, data={"FORMAT": "fits"}).headers["location"] == f"../{job}"
    changed = owner.ask("POST", place, json={"rows": "strict"}).json()["parameters"]
    assert (changed["format"], changed["rows"], changed["model"]) == ("fits", "strict", "tiny@1.2.3")
    assert owner.code(owner.ask("POST", place, data={"pdf": "true"})) == (422, "unsupported_by_model")
    assert owner.code(owner.ask("POST", place, data={"url": "http://a/"})) == (422, "invalid_request")
    owner.ask("POST", f"/jobs/{job}/phase?PHASE=RUN")
    assert owner.code(owner.ask("POST", place, data={"FORMAT": "csv"})) == (409, "wrong_phase")
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, format="fits")


def test_the_list_is_filtered_by_phase_time_and_number(owner: Owner) -> None:
    content = table(2)
    jobs = [owner.send(content, phase="RUN") for _ in range(3)]
    owner.ask("POST", f"/jobs/{jobs[0]}/phase?phase=ABORT")

    def listed(query: str) -> list[str]:
        return [one["job_id"] for one in owner.ask("GET", f"/jobs?{query}").json()["jobs"]]

    assert listed("") == jobs
    assert listed("PHASE=QUEUED") == jobs[1:]
    assert listed("phase=queued&phase=aborted&LAST=2") == jobs[1:]
    assert listed(f"AFTER={owner.job(jobs[1])['creation_time']}")[-1] == jobs[2]
    assert listed("AFTER=2096-01-01") == []
    assert "did you mean phase?" in owner.ask("GET", "/jobs?PHSE=QUEUED").text
    for query in ("PHASE=DONE", "LAST=0", "LAST=x", "AFTER=yesterday", "BEFORE=2026-01-01"):
        assert owner.code(owner.ask("GET", f"/jobs?{query}")) == (422, "invalid_request")


def test_waiting_ends_when_the_phase_changes(owner: Owner) -> None:
    job = owner.send(table(4))
    began = time.monotonic()
    assert owner.ask("GET", f"/jobs/{job}?WAIT=0").json()["phase"] == "QUEUED"
    assert owner.ask("GET", f"/jobs/{job}?WAIT=30&PHASE=PENDING").json()["phase"] == "QUEUED"
    assert owner.ask("GET", f"/jobs/{job}?WAIT=1&PHASE=QUEUED").json()["phase"] == "QUEUED"
    assert time.monotonic() - began >= 1
    thread = threading.Timer(0.3, owner.worker.work_once)
    thread.start()
    phase = "QUEUED"
    while phase in {"QUEUED", "EXECUTING"}:
        phase = owner.ask("GET", f"/jobs/{job}?WAIT=-1&PHASE={phase}").json()["phase"]
    thread.join()
    assert phase == "COMPLETED"
    assert owner.ask("GET", f"/jobs/{job}?WAIT=-1").json()["phase"] == "COMPLETED"


def test_an_aborted_job_is_not_worked_on(owner: Owner) -> None:
    job = owner.send(table(4))
    assert owner.ask("POST", f"/jobs/{job}/phase?PHASE=ABORT").json()["phase"] == "ABORTED"
    assert not owner.worker.work_once()


def test_metrics_tell_the_phases_and_the_bytes(owner: Owner) -> None:
    owner.send(table(4))
    text = owner.client.get("/metrics").text
    assert 'gaia_redshift_jobs{phase="QUEUED"} 1.0' in text
    assert 'gaia_redshift_jobs{phase="ERROR"} 0.0' in text
    (size,) = [line for line in text.splitlines() if line.startswith("gaia_redshift_job_bytes")]
    assert float(size.split()[1]) == len(table(4))


def test_an_empty_table_ends_in_error(owner: Owner) -> None:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"flux": pyarrow.array([], pyarrow.list_(pyarrow.float32(), 186))}), file)
    job = owner.send(file.getvalue())
    assert owner.worker.work_once()
    assert owner.job(job)["error"]["code"] == "invalid_table"
