import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.media import ARROW, NPY
from gaia_redshift.spectra import DR3, FloatArray
from tests.app.api.test_predict import error_of
from tests.app.wire.test_arrow import body as arrow
from tests.app.wire.test_arrow import lists
from tests.app.wire.test_npy import npy
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]


def send(service: TestClient, content: bytes, kind: str, accept: str = "*/*", **query: Any) -> Any:
    return service.post("/predict", content=content, headers={"Content-Type": kind, "Accept": accept}, params=query)


@pytest.mark.parametrize("rows", [1, 700])
def test_every_body_gives_the_answer_that_json_gives(service: TestClient, make_flux: Make, rows: int) -> None:
    flux = make_flux(rows)
    names = [str(number) for number in range(rows)]
    spectra = [{"flux": row, "source_id": name} for row, name in zip(flux.tolist(), names, strict=True)]
    in_json = service.post("/predict", json={"spectra": spectra}).json()
    assert send(service, arrow(flux=lists(flux), source_id=names), ARROW).json() == in_json
    for row in in_json["predictions"]:
        del row["source_id"]
    assert send(service, npy(flux), NPY).json() == in_json


def test_arrow_answers_on_request_whatever_was_sent(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(200)
    flux[3] = 0
    for content, kind in ((npy(flux), NPY), (arrow(flux=lists(flux), source_id=list(range(200))), ARROW)):
        response = send(service, content, kind, accept=ARROW)
        assert response.headers["content-type"] == ARROW
        assert response.headers["x-model"] == "tiny 1.2.3"
        with pa.ipc.open_stream(response.content) as stream:
            table = stream.read_all()
        usable = np.arange(200) != 3
        found = np.array(table["redshift"].to_pylist(), np.float64)
        assert found[usable] == pytest.approx(tiny_redshift(flux)[usable].tolist(), abs=1e-6)
        assert table["error"][3].as_py().startswith("constant_spectrum: ")
    assert table["source_id"].to_pylist() == list(range(200))


def test_an_answer_that_cannot_be_given_is_refused_before_the_network_works(service: TestClient) -> None:
    error_of(send(service, npy(np.ones((1, DR3.samples))), NPY, accept="text/html"), 406, "not_acceptable")


def test_options_are_given_in_the_query(service: TestClient, make_flux: Make) -> None:
    content = npy(make_flux(1))
    assert send(service, content, NPY, model="tiny@1.2.3").json()["model"]["name"] == "tiny"
    error_of(send(service, content, NPY, model="other"), 404, "unknown_model")
    for words in ("true", "yes", "1"):  # all that the query of a table may say
        error_of(send(service, content, NPY, pdf=words), 422, "unsupported_by_model")
    for query in ({"pdf": "maybe"}, {"prior": "mine"}, {"colour": "red"}, {"model": "x" * 129}):
        error = error_of(send(service, content, NPY, **query), 422, "invalid_request")
        assert [detail["at"] for detail in error["details"]] == list(query)


def test_options_in_the_query_of_a_json_body_are_not_ignored(service: TestClient, make_flux: Make) -> None:
    json = {"spectra": [{"flux": make_flux(1)[0].tolist()}]}
    error = error_of(service.post("/predict", json=json, params={"model": "tiny"}), 422, "invalid_request")
    assert error["message"] == "with a JSON body, give the options in the body, not in the query"
    error = error_of(service.post("/predict", json=json, params={"PDF": "true"}), 422, "invalid_request")
    assert error["details"] == [{"at": "PDF", "message": "unknown: did you mean pdf?"}]
    error = error_of(service.post("/predict", json=json, params={"utm": "x"}), 422, "invalid_request")
    assert error["details"] == [{"at": "utm", "message": "unknown: there are: model, prior, pdf, unit, rows"}]


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"rubbish", NPY, 400, "malformed_body"),
        (b"rubbish", ARROW, 400, "malformed_body"),
        (npy(np.ones((2, 3))), NPY, 422, "invalid_request"),
        (arrow(a=[1]), ARROW, 422, "invalid_table"),
        (npy(np.ones((2, DR3.samples))), ARROW, 400, "malformed_body"),
        (arrow(flux=lists(np.ones((1, DR3.samples)))), NPY, 400, "malformed_body"),
        (b"x", "application/octet-stream", 415, "unsupported_media_type"),
    ],
)
def test_what_cannot_be_read_is_an_error_in_the_one_shape(
    service: TestClient, content: bytes, kind: str, status: int, code: str
) -> None:
    error_of(send(service, content, kind), status, code)


def nan_among(flux: FloatArray) -> FloatArray:
    flux[1, 3] = np.nan
    return flux


def test_one_nan_costs_its_own_row_of_a_binary_body(service: TestClient, make_flux: Make) -> None:
    flux = nan_among(make_flux(40))
    for content, kind in ((npy(flux), NPY), (arrow(flux=lists(flux)), ARROW)):
        answered = send(service, content, kind).json()["predictions"]
        assert [row["status"] for row in answered].count("ok") == 39
        assert answered[1]["error"]["code"] == "not_finite"
        assert "flux[3] is nan" in answered[1]["error"]["message"]


def test_a_null_in_an_arrow_stream_is_a_missing_value_of_its_row(service: TestClient, make_flux: Make) -> None:
    rows = make_flux(3).tolist()
    rows[2][7] = None
    answered = send(service, arrow(flux=pa.array(rows, pa.list_(pa.float32()))), ARROW).json()["predictions"]
    assert [row["status"] for row in answered] == ["ok", "ok", "error"]
    assert answered[2]["error"] == {"code": "missing_value", "message": "flux[7] is empty"}


def test_on_request_one_nan_refuses_the_whole_binary_body_with_its_place(service: TestClient, make_flux: Make) -> None:
    flux = nan_among(make_flux(40))
    for content, kind in ((npy(flux), NPY), (arrow(flux=lists(flux)), ARROW)):
        error = error_of(send(service, content, kind, rows="strict"), 422, "invalid_request")
        assert [detail["at"] for detail in error["details"]] == ["spectra[1].flux[3]"]


def test_fluxes_per_pixel_give_what_fluxes_per_sample_give(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(30)
    pixels = flux / DR3.pixels
    expected = [row["redshift"] for row in send(service, npy(flux), NPY).json()["predictions"]]
    json = {"spectra": [{"flux": row} for row in pixels.tolist()], "unit": "per_pixel"}
    for reply in (
        send(service, npy(pixels), NPY, unit="per_pixel"),
        send(service, npy(pixels), NPY, unit="per pixel"),
        send(service, arrow(flux=lists(pixels)), ARROW, unit="per_pixel"),
        service.post("/predict", json=json),
    ):
        assert [row["redshift"] for row in reply.json()["predictions"]] == pytest.approx(expected, abs=2e-6)


def test_fluxes_in_calibrated_units_are_refused_with_advice(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(1)
    for reply in (
        send(service, npy(flux), NPY, unit="W m-2 nm-1"),
        service.post("/predict", json={"spectra": [{"flux": flux[0].tolist()}], "unit": "W m-2 nm-1"}),
    ):
        error = error_of(reply, 422, "invalid_request")
        assert [detail["at"] for detail in error["details"]] == ["unit"]
        assert "XP_CONTINUOUS" in error["details"][0]["message"]


def test_binary_bodies_have_the_limits_of_json(settings: Settings, make_flux: Make) -> None:
    small = settings.model_copy(update={"max_spectra": 5, "max_json_bytes": 8000})
    with TestClient(create_app(small)) as service:
        for content, kind in ((npy(make_flux(6)), NPY), (arrow(flux=lists(make_flux(6))), ARROW)):
            assert "at most 5" in error_of(send(service, content, kind), 422, "invalid_request")["message"]
        error_of(send(service, npy(make_flux(50)), NPY), 413, "body_too_large")
        assert send(service, npy(make_flux(5)), NPY).status_code == 200


def test_the_document_describes_every_body_and_every_answer(service: TestClient) -> None:
    operation = service.get("/openapi.json").json()["paths"]["/predict"]["post"]
    assert set(operation["requestBody"]["content"]) == {"application/json", NPY, ARROW}
    assert set(operation["responses"]["200"]["content"]) == {"application/json", ARROW}
    assert {parameter["name"] for parameter in operation["parameters"]} == {"model", "prior", "pdf", "unit", "rows"}


def test_an_array_of_any_writer_is_read(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3)
    file = io.BytesIO()
    np.lib.format.write_array(file, np.asfortranarray(flux), version=(3, 0))
    assert send(service, file.getvalue(), NPY).json() == send(service, npy(flux), NPY).json()
