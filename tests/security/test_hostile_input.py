"""What the fields of a form and the cells of a table may hold."""

import csv
import io
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.spectra import DR3, FLOAT_IDS, FloatArray
from tests.app.api.test_predict import error_of
from tests.app.api.test_predict_csv import CSV, NAMES, rows_of

Make = Callable[[int], FloatArray]


@pytest.mark.filterwarnings("ignore:Exception ignored in.*SpooledTemporaryFile")  # Starlette, where a part is cut off
@pytest.mark.parametrize(
    "form",
    [
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + b"a" * 2_000_000 + b"\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n1\r\n' * 5000 + b"--x--\r\n",
        b"--x\r\n" + b"X-A: b\r\n" * 100_000,
        b"--x\r\nContent-Disposition: form-data; name=" + b'"' * 1_000_000,
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n1',
        b"--x--\r\n",
    ],
    ids=["huge field", "many fields", "many headers", "huge name", "cut off", "no part"],
)
def test_a_hostile_form_is_refused(service: TestClient, form: bytes) -> None:
    response = service.post("/predict/csv", content=form, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert response.status_code in {400, 422}, response.text
    ErrorReply.model_validate_json(response.content)


@pytest.mark.parametrize(
    "header", ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; a=é"]
)
def test_a_form_without_boundary_is_refused(service: TestClient, header: str) -> None:
    response = service.post("/predict/csv", content=b"--x--", headers={"Content-Type": header.encode()})
    assert response.status_code in {400, 422}, response.text
    ErrorReply.model_validate_json(response.content)


@pytest.mark.parametrize("start", ["=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\uff1d1+1", "=cmd|'/c calc'!A0"])
def test_a_source_id_that_is_a_formula_comes_back_as_text(service: TestClient, make_flux: Make, start: str) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["source_id", *NAMES])
    writer.writerow([f"x{start}", *make_flux(1)[0].tolist()])
    writer.writerow([start, *make_flux(1)[0].tolist()])
    response = service.post("/predict/csv", content=text.getvalue().encode(), headers=CSV)
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    stripped = start.strip()
    assert rows[0]["source_id"] == f"x{start}".strip()
    assert rows[1]["source_id"] == f"'{stripped}"


@pytest.mark.parametrize("number", ["-123", "+5", "4295806720"])
def test_a_plain_number_is_no_formula(service: TestClient, make_flux: Make, number: str) -> None:
    row = ",".join([number, *map(str, make_flux(1)[0].tolist())])
    content = "\n".join([",".join(["source_id", *NAMES]), row]).encode()
    assert rows_of(service.post("/predict/csv", content=content, headers=CSV))[0]["source_id"] == number


@pytest.mark.parametrize("number", ["-1.5e3", "5.85e18", "4295806720.0"])
def test_an_identifier_written_as_a_float_is_refused(service: TestClient, make_flux: Make, number: str) -> None:
    row = ",".join([number, *map(str, make_flux(1)[0].tolist())])
    content = "\n".join([",".join(["source_id", *NAMES]), row]).encode()
    error = error_of(service.post("/predict/csv", content=content, headers=CSV), 422, "invalid_table")
    assert error["message"] == FLOAT_IDS
    assert error["details"] == [{"at": "source_id", "message": f"{number} is a float"}]


def test_an_error_text_never_begins_a_formula(service: TestClient) -> None:
    row = ",".join(["=1+1"] * DR3.samples)
    rows = rows_of(service.post("/predict/csv", content="\n".join([",".join(NAMES), row]).encode(), headers=CSV))
    assert rows[0]["error"].startswith("not_a_number: ")


def test_brackets_inside_strings_of_a_large_request_are_not_structure(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(1)[0].tolist()
    spectra = [{"flux": flux, "source_id": "[{:," * 60 + str(number)} for number in range(300)]
    reply = service.post("/predict", json={"spectra": spectra})
    assert reply.status_code == 200
    assert reply.json()["predictions"][299]["source_id"].endswith(",299")
