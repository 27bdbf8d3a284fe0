"""What ``/jobs`` refuses: others' jobs, wrong phases and requests, too much, and what lies elsewhere."""

from collections.abc import Callable
from pathlib import Path

from app.serving.security import hash_key
from tests.app.jobs.owner import JSON, PARQUET, Owner, table

Start = Callable[..., Owner]


def test_no_owner_sees_the_jobs_of_another(start_jobs: Start) -> None:
    keys = {"anna": hash_key("a" * 20), "berta": hash_key("b" * 20)}
    owner = start_jobs(api_keys=keys)
    owner.headers = {"Authorization": f"Bearer {'a' * 20}"}
    job = owner.send(table(4))
    assert owner.job(job)["owner"] == "anna"
    owner.headers = {"Authorization": f"Bearer {'b' * 20}"}
    assert owner.ask("GET", "/jobs").json() == {"jobs": []}
    for method, path in (
        ("GET", ""), ("GET", "/phase"), ("GET", "/results/result"), ("GET", "/rows"), ("GET", "/rows/0"),
        ("GET", "/events"), ("GET", "/error"), ("POST", "/phase?PHASE=ABORT"), ("DELETE", ""),
        ("POST", "?ACTION=DELETE"), ("POST", "/destruction?DESTRUCTION=2026-01-01"),
    ):  # fmt: skip
        assert owner.code(owner.ask(method, f"/jobs/{job}{path}")) == (404, "unknown_job"), path
    owner.headers = {}
    assert owner.code(owner.ask("GET", f"/jobs/{job}")) == (401, "unauthorized")


def test_what_does_not_belong_to_the_phase_is_refused(owner: Owner) -> None:
    job = owner.send(b"flux_0,flux_1\n1,2\n", "text/csv")
    place = f"/jobs/{job}"
    assert owner.code(owner.ask("GET", f"{place}/results/result")) == (409, "wrong_phase")
    assert owner.code(owner.ask("GET", f"{place}/error")) == (409, "wrong_phase")
    assert owner.worker.work_once()
    failed = owner.job(job)
    assert failed["phase"] == "ERROR"
    assert failed["error"]["code"] == "invalid_table"
    assert owner.ask("GET", f"{place}/error").json()["error"] == failed["error"]
    refused = owner.ask("GET", f"{place}/results/result")
    assert owner.code(refused) == (409, "wrong_phase")
    assert failed["error"]["message"] in refused.json()["error"]["message"]
    for phase in ("RUN", "ABORT"):
        assert owner.code(owner.ask("POST", f"{place}/phase?PHASE={phase}")) == (409, "wrong_phase")
    assert owner.code(owner.ask("POST", f"{place}/phase?PHASE=SUSPEND")) == (422, "invalid_request")
    assert owner.code(owner.ask("POST", f"{place}/phase")) == (422, "invalid_request")
    assert owner.code(owner.ask("GET", f"{place}/results/other")) == (404, "not_found")
    assert owner.code(owner.ask("POST", f"{place}?ACTION=KEEP")) == (422, "invalid_request")


def test_a_wrong_request_is_refused_and_leaves_nothing(owner: Owner) -> None:
    wrong: list[tuple[str, dict[str, object], int, str]] = [
        ("", {}, 422, "invalid_request"),
        ("?modle=tiny", {}, 422, "invalid_request"),
        ("?model=none", {}, 404, "unknown_model"),
        ("?pdf=true", {}, 422, "unsupported_by_model"),
        ("?format=qp", {}, 422, "invalid_input"),
        ("?format=xlsx", {}, 422, "invalid_request"),
        ("?phase=HELD", {}, 422, "invalid_request"),
        ("?executionduration=-1", {}, 422, "invalid_request"),
        ("?destruction=tomorrow", {}, 422, "invalid_request"),
        ("?rows=none", {}, 422, "invalid_request"),
        ("?runid=a&RUNID=b", {}, 422, "invalid_request"),
        ("?runid=a%00b", {}, 422, "invalid_request"),
        ("", {"url": "http://a/\n"}, 422, "invalid_request"),
        ("", {"url": "http://example.org/a.csv"}, 403, "address_refused"),
        ("", {"url": "file:///etc/passwd"}, 403, "address_refused"),
        ("", {"path": "../../etc/passwd"}, 403, "address_refused"),
        ("", {"source_ids": [1, 2]}, 403, "forbidden"),
        ("", {"source_ids": [-1]}, 422, "invalid_request"),
        ("", {"source_ids": []}, 422, "invalid_request"),
        ("", {"notify": "http://example.org/"}, 403, "forbidden"),
        ("?url=http://a/", {"url": "http://b/"}, 403, "address_refused"),
    ]
    for query, body, status, code in wrong:
        reply = owner.ask("POST", f"/jobs{query}", json=body)
        assert owner.code(reply) == (status, code), (query, body, reply.text)
    assert owner.ask("GET", "/jobs").json() == {"jobs": []}
    assert list((owner.settings.jobs_folder or Path()).glob("files/*")) == []


def test_a_table_from_two_places_or_of_no_kind_is_refused(start_jobs: Start, tmp_path: Path) -> None:
    owner = start_jobs(jobs_inputs=tmp_path)
    (tmp_path / "a.parquet").write_bytes(table(3))
    both = owner.ask("POST", "/jobs?path=a.parquet", files={"file": ("a", table(3))})
    assert owner.code(both) == (422, "invalid_request")
    pdf = owner.ask("POST", "/jobs", content=b"%PDF", headers={"Content-Type": "application/pdf"})
    assert owner.code(pdf) == (415, "unsupported_media_type")
    two = owner.ask("POST", "/jobs", files={"file": ("a", b"1"), "other": ("b", b"2")})
    assert owner.code(two) == (400, "malformed_body")
    other = owner.ask("POST", "/jobs", files={"table": ("a", b"1")})
    assert owner.code(other) == (422, "invalid_request")
    broken = owner.ask("POST", "/jobs", content=b"[1", headers={"Content-Type": "application/json"})
    assert owner.code(broken) == (400, "malformed_body")
    unacceptable = owner.ask(
        "POST", "/jobs", content=table(3), headers={"Content-Type": PARQUET, "Accept": "image/png"}
    )
    assert owner.code(unacceptable) == (406, "not_acceptable")
    assert list((owner.settings.jobs_folder or Path()).glob("files/*")) == []


def test_an_upload_larger_than_allowed_is_refused_and_leaves_nothing(start_jobs: Start) -> None:
    owner = start_jobs(jobs_max_body_bytes=100_000, max_body_bytes=1000)
    content = table(2000)
    assert len(content) > 100_000
    for more in ({"content": content, "headers": {"Content-Type": PARQUET}}, {"files": {"file": ("a", content)}}):
        assert owner.code(owner.ask("POST", "/jobs", **more)) == (413, "body_too_large")  # type: ignore[arg-type]
    pieces = (content[place : place + 50_000] for place in range(0, len(content), 50_000))
    chunked = owner.ask("POST", "/jobs", content=pieces, headers={"Content-Type": PARQUET})
    assert owner.code(chunked) == (413, "body_too_large")
    assert list((owner.settings.jobs_folder or Path()).glob("files/*")) == []
    small = table(20)  # larger than what /predict/table may take, smaller than what a job may
    assert owner.job(owner.send(small))["phase"] == "QUEUED"


def test_quotas_of_jobs_and_bytes_hold(start_jobs: Start) -> None:
    owner = start_jobs(jobs_per_owner=2)
    jobs = [owner.send(table(3)) for _ in range(2)]
    refused = owner.ask("POST", "/jobs", content=table(3), headers={"Content-Type": PARQUET})
    assert owner.code(refused) == (429, "quota_exceeded")
    assert refused.headers["retry-after"]
    owner.ask("DELETE", f"/jobs/{jobs[0]}")
    owner.send(table(3))
    full = start_jobs(jobs_max_bytes=10_000, jobs_folder=(owner.settings.jobs_folder or Path()) / "other")
    refused = full.ask("POST", "/jobs", content=table(300), headers={"Content-Type": PARQUET})
    assert full.code(refused) == (429, "quota_exceeded")
    no_room = start_jobs(jobs_min_free_bytes=10**15)
    refused = no_room.ask("POST", "/jobs", content=table(3), headers={"Content-Type": PARQUET})
    assert no_room.code(refused) == (503, "storage_full")


def test_a_service_without_a_folder_says_so(service: object) -> None:
    reply = service.get("/jobs", headers=JSON)  # type: ignore[attr-defined]
    assert reply.status_code == 403
    assert "GAIA_REDSHIFT_JOBS_FOLDER" in reply.json()["error"]["message"]
    paths = service.get("/openapi.json").json()["paths"]  # type: ignore[attr-defined]
    assert not [path for path in paths if path.startswith("/jobs")]


def test_a_path_below_the_folder_of_inputs_is_read_and_no_other(start_jobs: Start, tmp_path: Path) -> None:
    inputs = tmp_path / "inputs"
    (inputs / "deep").mkdir(parents=True)
    (inputs / "deep" / "a.parquet").write_bytes(table(7))
    (tmp_path / "secret.csv").write_text("flux_0\n1\n")
    (inputs / "link.csv").symlink_to(tmp_path / "secret.csv")
    owner = start_jobs(jobs_inputs=inputs)
    made = owner.ask("POST", "/jobs", json={"path": "deep/a.parquet", "phase": "RUN"})
    assert made.status_code == 201, made.text
    assert owner.worker.work_once()
    assert owner.job(made.json()["job_id"])["progress"]["rows_done"] == 7
    for path in ("link.csv", "../secret.csv", str(tmp_path / "secret.csv"), "deep", "none.csv"):
        assert owner.code(owner.ask("POST", "/jobs", json={"path": path})) == (403, "address_refused"), path
