import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.spectra import DR3, FloatArray
from tests.app.api.test_predict import error_of
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]
CSV = {"Content-Type": "text/csv"}
NAMES = [f"flux_{number}" for number in range(DR3.samples)]


def table(flux: FloatArray, names: list[str] = NAMES) -> bytes:
    rows = [",".join(["source_id", *names])]
    rows += [",".join([str(number), *(f"{value:.4f}" for value in row)]) for number, row in enumerate(flux)]
    return ("\n".join(rows) + "\n").encode()


def rows_of(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/csv")
    return list(csv.DictReader(io.StringIO(response.text)))


@pytest.mark.parametrize("rows", [1, 20, 4200])  # more than a block
def test_raw_and_multipart_give_the_same_csv_in_order(service: TestClient, make_flux: Make, rows: int) -> None:
    flux = make_flux(rows)
    raw = service.post("/predict/csv", content=table(flux), headers=CSV)
    form = service.post("/predict/csv", files={"file": ("spectra.csv", table(flux), "text/csv")})
    assert raw.text == form.text
    assert raw.headers["x-model"] == "tiny 1.2.3"
    answers = rows_of(raw)
    assert [row["source_id"] for row in answers] == [str(number) for number in range(rows)]
    assert [float(row["redshift"]) for row in answers] == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)


def test_json_comes_back_on_request_in_the_shape_of_predict(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(5)
    reply = service.post("/predict/csv", content=table(flux), headers={**CSV, "Accept": "application/json"}).json()
    spectra = [{"flux": row, "source_id": number} for number, row in enumerate(flux.astype(float).round(4).tolist())]
    assert reply == service.post("/predict", json={"spectra": spectra}).json()


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json, text/csv;q=0.5", "application/json"),
        ("text/html, */*;q=0.1", "text/csv"),
        ("application/json;q=0.2, text/csv;q=0.9", "text/csv"),
        ("text/csv;q=rubbish, application/json", "application/json"),
    ],
)
def test_the_reply_is_what_accept_prefers(service: TestClient, make_flux: Make, accept: str, kind: str) -> None:
    response = service.post("/predict/csv", content=table(make_flux(1)), headers={**CSV, "Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == kind


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0, application/json;q=0"])
def test_what_cannot_be_produced_is_406(service: TestClient, make_flux: Make, accept: str) -> None:
    response = service.post("/predict/csv", content=table(make_flux(1)), headers={**CSV, "Accept": accept})
    error_of(response, 406, "not_acceptable")


def test_bad_rows_keep_their_places_and_the_good_ones_their_redshifts(service: TestClient, make_flux: Make) -> None:
    lines = table(make_flux(5)).decode().splitlines()
    expected = rows_of(service.post("/predict/csv", content="\n".join(lines), headers=CSV))
    lines[2] = lines[2].rpartition(",")[0]
    lines[4] = lines[4].rpartition(",")[0] + ",none"
    answers = rows_of(service.post("/predict/csv", content="\n".join(lines), headers=CSV))
    assert [row["status"] for row in answers] == ["ok", "error", "ok", "error", "ok"]
    assert [answers[row] for row in (0, 2, 4)] == [expected[row] for row in (0, 2, 4)]
    assert answers[1]["error"] == "ragged_row: the row has 186 cells, the header 187"
    assert answers[3]["error"] == "not_a_number: flux_185 is 'none', which is not a number"


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "invalid_table"),
        (b"z,ra,dec\n1,2,3\n", 422, "invalid_table"),
        (",".join(NAMES).encode(), 422, "invalid_table"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\xff", 400, "malformed_body"),
    ],
)
@pytest.mark.parametrize("form", [False, True])
def test_a_file_without_a_table_of_spectra_is_refused(
    service: TestClient, content: bytes, status: int, code: str, form: bool
) -> None:
    sent: dict[str, Any] = {"files": {"file": ("a.csv", content)}} if form else {"content": content, "headers": CSV}
    error_of(service.post("/predict/csv", **sent), status, code)


def test_missing_columns_are_named(service: TestClient, make_flux: Make) -> None:
    content = table(make_flux(1), ["flux_x", *NAMES[1:]])
    error = error_of(service.post("/predict/csv", content=content, headers=CSV), 422, "invalid_table")
    assert error["details"] == [{"at": "flux_0", "message": "missing"}]


def test_a_form_without_file_is_refused(service: TestClient) -> None:
    error = error_of(service.post("/predict/csv", files={"table": ("a.csv", b"x")}), 422, "invalid_request")
    assert error["details"][0]["at"] == "file"


def test_a_broken_form_is_refused(service: TestClient) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    error_of(service.post("/predict/csv", content=b"rubbish", headers=kind), 400, "malformed_body")


def test_another_media_type_is_415_and_says_what_to_send(service: TestClient) -> None:
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    response = service.post("/predict/csv", content=b"x", headers=kind)
    assert "text/csv" in error_of(response, 415, "unsupported_media_type")["message"]


def test_a_model_is_chosen_by_name(service: TestClient, make_flux: Make) -> None:
    content = table(make_flux(1))
    assert rows_of(service.post("/predict/csv?model=tiny", content=content, headers=CSV))
    error_of(service.post("/predict/csv?model=other", content=content, headers=CSV), 404, "unknown_model")


def test_more_rows_than_allowed_are_413(models: Path, make_flux: Make) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", max_rows=5)
    with TestClient(create_app(settings)) as service:
        assert len(rows_of(service.post("/predict/csv", content=table(make_flux(5)), headers=CSV))) == 5
        error_of(service.post("/predict/csv", content=table(make_flux(6)), headers=CSV), 413, "body_too_large")


def test_invalid_bytes_after_many_good_rows_refuse_the_table(service: TestClient, make_flux: Make) -> None:
    content = table(make_flux(4200)) + b"\xff\xfe\xfd\n"
    error_of(service.post("/predict/csv", content=content, headers=CSV), 400, "malformed_body")


@pytest.mark.parametrize(
    ("query", "nearest"),
    [("piror=flat", "prior"), ("modle=tiny", "model"), ("PDF=true", "pdf"), ("units=per_pixel", "unit")],
)
def test_a_misspelt_parameter_is_refused_with_the_nearest_known_name(
    service: TestClient, query: str, nearest: str
) -> None:
    reply = service.post(f"/predict/csv?{query}", content=b"x", headers={"Content-Type": "text/csv"})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["details"] == [{"at": query.split("=", maxsplit=1)[0], "message": f"unknown: did you mean {nearest}?"}]
    assert nearest in error["message"]


@pytest.mark.parametrize("path", ["/models?verbose=1", "/models/tiny?prior=flat"])
def test_where_there_are_no_parameters_any_is_refused(service: TestClient, path: str) -> None:
    reply = service.get(path)
    assert reply.status_code == 422
    assert reply.json()["error"]["details"][0]["message"] == "unknown: there are: none"


def test_a_parameter_given_twice_is_refused(service: TestClient) -> None:
    reply = service.post("/predict/csv?prior=flat&prior=survey", content=b"x", headers={"Content-Type": "text/csv"})
    assert reply.json()["error"]["details"] == [{"at": "prior", "message": "given more than once"}]


def test_a_table_may_hold_fluxes_per_pixel(service: TestClient, make_flux: Make) -> None:
    def ask(flux: FloatArray, **query: str) -> list[float]:
        names = ",".join(f"flux_{number}" for number in range(DR3.samples))
        text = "\n".join([names, *(",".join(map(repr, row)) for row in flux.astype(float).tolist())])
        headers = {"Content-Type": "text/csv", "Accept": "application/json"}
        reply = service.post("/predict/csv", content=text.encode(), headers=headers, params=query)
        return [row["redshift"] for row in reply.json()["predictions"]]

    flux = make_flux(4)
    assert ask(flux / DR3.pixels, unit="per_pixel") == pytest.approx(ask(flux), abs=2e-6)


def test_calibrated_units_of_a_table_are_refused_with_advice(service: TestClient) -> None:
    headers = {"Content-Type": "text/csv"}
    reply = service.post("/predict/csv", content=b"x", headers=headers, params={"unit": "W m-2 nm-1"})
    assert reply.status_code == 422
    assert "XP_CONTINUOUS" in reply.text


def test_options_in_the_form_are_not_ignored(service: TestClient, make_flux: Make) -> None:
    files = {"file": ("t.csv", table(make_flux(1)), "text/csv")}
    for name in ("model", "pdf", "piror"):
        reply = service.post("/predict/csv", files=files, data={name: "true"})
        error = error_of(reply, 422, "invalid_request")
        assert error["details"] == [{"at": name, "message": "given in the form"}]
    assert service.post("/predict/csv", files=files, data={"prior": "survey"}).headers["x-prior"] == "survey"
    error_of(service.post("/predict/csv", files=files, data={"prior": "flat"}), 422, "unsupported_by_model")


@pytest.mark.parametrize(
    "text", ["mine", "{}", '{"redshift": [0, 1], "density": [1]}', '{"redshift": [1, 0], "density": [1, 1]}']
)
def test_an_invalid_prior_in_the_form_is_refused(service: TestClient, make_flux: Make, text: str) -> None:
    files = {"file": ("t.csv", table(make_flux(1)), "text/csv")}
    error = error_of(service.post("/predict/csv", files=files, data={"prior": text}), 422, "invalid_request")
    assert error["details"][0]["at"].startswith("prior")


def test_the_document_tells_the_limits_that_are_set(settings: Settings) -> None:
    with TestClient(create_app(settings.model_copy(update={"max_spectra": 123}))) as service:
        schemas = service.get("/openapi.json").json()["components"]["schemas"]
    assert schemas["PredictRequest"]["properties"]["spectra"]["maxItems"] == 123


@pytest.mark.parametrize("name", ["#source_id", "designation", "objID", "SOURCE_ID", "Source ID"])
def test_what_was_taken_for_the_id_is_said_and_given_back(service: TestClient, make_flux: Make, name: str) -> None:
    ids = ["Gaia DR3 123", "-5", "99999999999999999999", "", "-5"]
    rows = [",".join([one, *(f"{value:.4f}" for value in row)]) for one, row in zip(ids, make_flux(5), strict=True)]
    content = "\n".join([",".join([name, *NAMES]), *rows])
    reply = service.post("/predict/csv", content=content, headers=CSV)
    assert [row["source_id"] for row in rows_of(reply)] == ids
    assert reply.headers["x-recognised"] == (
        f"csv: Gaia DR3 samples in e-/s, from the columns flux_0 to flux_185; identifiers from {name.lstrip('#')}"
    )
    as_json = service.post("/predict/csv", content=content, headers={**CSV, "Accept": "application/json"})
    assert [row["source_id"] for row in as_json.json()["predictions"]] == [*ids[:3], None, ids[4]]
    assert as_json.headers["x-recognised"] == reply.headers["x-recognised"]


def test_units_that_ecsv_declares_are_honoured(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3) / DR3.pixels
    names = "".join(f"# - {{name: {name}, unit: electron / (pix s), datatype: float64}}\n" for name in NAMES)
    head = f"# %ECSV 1.0\n# ---\n# delimiter: ','\n# datatype:\n{names}" + ",".join(NAMES) + "\n"
    content = head + "\n".join(",".join(map(repr, row)) for row in flux.astype(float).tolist())
    found = [float(row["redshift"]) for row in rows_of(service.post("/predict/csv", content=content, headers=CSV))]
    assert found == pytest.approx(tiny_redshift(make_flux(3)).tolist(), abs=2e-6)


@pytest.mark.parametrize("path", ["/predict/csv", "/predict/table"])
@pytest.mark.parametrize(
    ("content", "status", "message"),
    [
        (b"a;b\n1;2\n", 422, "no spectra were found: csv with semicolons between cells, 2 columns (a, b), 1 row"),
        (b"<html><title>Log in</title></html>", 400, "a web page (HTML, 'Log in')"),
        (",".join(NAMES).encode("utf-32"), 400, "it is UTF-32 text; save it as UTF-8"),
        (b'[{"flux": [1]}]', 400, "JSON, but not JSON lines"),
        (b"flux\n1.5\n2.5\n", 422, "column flux holds single values, not arrays"),
    ],
)
def test_what_is_not_understood_is_named_with_what_to_do(
    service: TestClient, path: str, content: bytes, status: int, message: str
) -> None:
    reply = service.post(path, files={"file": ("spectra.csv", content, "text/csv")})
    error = error_of(reply, status, "invalid_table" if status == 422 else "malformed_body")
    assert message in error["message"]


def test_wrong_parameters_are_named_in_the_message(service: TestClient) -> None:
    reply = service.post("/predict/csv?prior=flta", content=b"x", headers=CSV).json()
    assert reply["error"]["message"].startswith("the request's parameters are wrong: query.prior: ")
    reply = service.get("/models?verbose=1").json()
    assert reply["error"]["message"] == "the query is wrong: verbose is unknown: there are: none"
    reply = service.post("/predict/csv?model=tinny", content=b"x", headers=CSV).json()
    assert reply["error"]["message"].endswith("; did you mean tiny?")
