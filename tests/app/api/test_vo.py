"""VOSI's documents, and errors as VOTable, as the Virtual Observatory's standards want them."""

import io
import warnings
from collections.abc import Iterator
from xml.etree import ElementTree

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.app.jobs.owner import PARQUET, Owner, table
from tests.ivoa import schema

VOTABLE = {"Accept": "application/x-votable+xml"}
INFO = "{http://www.ivoa.net/xml/VOTable/v1.3}INFO"


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def infos(content: bytes) -> dict[str | None, tuple[str | None, str | None]]:
    root = ElementTree.fromstring(content)  # noqa: S314 - ours
    return {one.get("name"): (one.get("value"), one.text) for one in root.iter(INFO)}


def check_votable(content: bytes) -> None:
    votable = pytest.importorskip("astropy.io.votable")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        votable.parse(io.BytesIO(content), verify="exception")


def test_the_documents_of_vosi_keep_their_schemas(owner: Owner) -> None:
    for name in ("availability", "capabilities", "tables"):
        answer = owner.client.get(f"/{name}")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/xml")
        schema(name).assertValid(_tree(answer.content))


def _tree(content: bytes) -> object:
    return pytest.importorskip("lxml.etree").fromstring(content)


def test_what_uws_answers_keeps_its_schema(owner: Owner) -> None:
    uws = schema("UWS")
    done = owner.send(table(20, unusable=(3,)), RUNID="mine")
    assert owner.worker.work_once()
    failed = owner.send(b"a,b\n1,2\n", "text/csv")
    assert owner.worker.work_once()
    assert owner.job(failed)["phase"] == "ERROR"
    waiting = owner.send(table(3), unit="per_pixel")
    paths = ["/jobs", *(f"/jobs/{job}" for job in (done, failed, waiting))]
    paths += [f"/jobs/{done}/{part}" for part in ("parameters", "results")]
    for path in paths:
        answer = owner.client.get(path)
        assert answer.headers["content-type"].startswith("text/xml"), path
        uws.assertValid(_tree(answer.content))


def test_availability_tells_when_the_service_is_not_ready(client: TestClient) -> None:
    def says() -> tuple[str | None, str | None]:
        root = ElementTree.fromstring(client.get("/availability").content)  # noqa: S314 - ours
        name = "{http://www.ivoa.net/xml/VOSIAvailability/v1.0}"
        return root.findtext(f"{name}available"), root.findtext(f"{name}upSince")

    available, since = says()
    assert available == "true"
    assert since is not None
    client.app.state.ready, client.app.state.ready_since = False, None  # type: ignore[attr-defined]
    assert says() == ("false", None)


def test_capabilities_name_jobs_only_where_there_are_jobs(client: TestClient, owner: Owner) -> None:
    assert b"/jobs<" not in client.get("/capabilities").content
    assert b"/jobs<" in owner.client.get("/capabilities").content
    assert b"/predict/table<" in client.get("/capabilities").content


def test_tables_tell_the_columns_of_an_answer(client: TestClient) -> None:
    root = ElementTree.fromstring(client.get("/tables").content)  # noqa: S314 - ours
    found = {
        one.findtext("name"): [column.findtext("name") for column in one.iter("column")] for one in root.iter("table")
    }
    assert found["spectra"] == ["source_id", "flux", "bp", "rp"]
    answer = client.post("/predict/table?format=votable", content=table(2), headers={"Content-Type": PARQUET})
    fields = [one.get("name") for one in ElementTree.fromstring(answer.content).iter() if one.tag.endswith("FIELD")]  # noqa: S314
    assert [name for name in found["redshifts"] if name != "pdf"] == fields[-8:]


def test_an_error_is_a_votable_if_votable_is_requested(client: TestClient) -> None:
    csv = {"Content-Type": "text/csv"}
    plain = client.post("/predict/table", content=b"a,b\n1,2\n", headers=csv)
    assert plain.headers["content-type"] == "application/json"
    wanted: list[tuple[str, dict[str, str]]] = [
        ("", VOTABLE),
        ("?format=votable", {}),
        ("?RESPONSEFORMAT=votable", {"Accept": "application/json"}),
        ("?responseFormat=application/x-votable%2Bxml", {}),
    ]
    for query, headers in wanted:
        answer = client.post(f"/predict/table{query}", content=b"a,b\n1,2\n", headers={**csv, **headers})
        assert answer.status_code == 422
        assert answer.headers["content-type"] == "application/x-votable+xml"
        assert infos(answer.content)["QUERY_STATUS"] == ("ERROR", plain.json()["error"]["message"])
        assert infos(answer.content)["code"] == ("invalid_table", None)
        check_votable(answer.content)


def test_the_format_that_is_named_goes_before_accept(client: TestClient) -> None:
    for query in ("?format=csv", "?FORMAT=csv", "?RESPONSEFORMAT=text/csv"):
        answer = client.post(f"/predict/table{query}", content=table(2), headers={"Content-Type": PARQUET, **VOTABLE})
        assert answer.headers["content-type"].startswith("text/csv")
        csv = {"Content-Type": "text/csv", **VOTABLE}
        wrong = client.post(f"/predict/table{query}", content=b"a\n1\n", headers=csv)
        assert wrong.headers["content-type"] == "application/json"


def test_parameters_are_known_in_any_case_and_only_once(client: TestClient) -> None:
    headers = {"Content-Type": PARQUET}
    assert client.post("/predict/table?Prior=flat&STAMP=true", content=table(2), headers=headers).status_code == 422
    twice = client.post("/predict/table?format=csv&RESPONSEFORMAT=votable", content=table(2), headers=headers)
    assert twice.status_code == 422
    wrong = client.post("/predict/table?FORMATS=csv", content=table(2), headers=headers).json()["error"]
    assert "did you mean format" in wrong["message"]


def test_a_table_that_is_answered_says_so(client: TestClient) -> None:
    answer = client.post("/predict/table", content=table(2), headers={"Content-Type": PARQUET, **VOTABLE})
    assert infos(answer.content)["QUERY_STATUS"] == ("OK", None)
    check_votable(answer.content)


def test_the_error_of_a_job_as_votable(owner: Owner) -> None:
    job = owner.send(b"a,b\n1,2\n", "text/csv")
    assert owner.worker.work_once()
    wanted = owner.ask("GET", f"/jobs/{job}/error").json()["error"]["message"]
    error = owner.client.get(f"/jobs/{job}/error", headers=VOTABLE)
    assert infos(error.content)["QUERY_STATUS"] == ("ERROR", wanted)
    result = owner.client.get(f"/jobs/{job}/results/result", headers=VOTABLE)
    assert result.status_code == 409
    status, text = infos(result.content)["QUERY_STATUS"]
    assert status == "ERROR"
    assert wanted in str(text)
    for content in (error.content, result.content):
        check_votable(content)


def test_an_error_document_stays_small(client: TestClient) -> None:
    many = "&".join(f"{'%3C' * 200}{number}=1" for number in range(60))
    answer = client.post(f"/predict/table?{many}", content=b"", headers={"Content-Type": "text/csv", **VOTABLE})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/x-votable+xml"
    assert len(answer.content) <= 8000
    assert b'name="detail"' in answer.content
    check_votable(answer.content)
