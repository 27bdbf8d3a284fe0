"""An E(B-V) beside a spectrum, in every form of request: one answer, which says that it was corrected."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from fastapi.testclient import TestClient

from gaia_redshift.client.encoding import Spectra, write_request
from gaia_redshift.client.questions import ask
from gaia_redshift.media import ARROW
from gaia_redshift.spectra import DR3, TRAINING_EBV, FloatArray, deredden
from tests.app.api.test_predict import error_of, send
from tests.app.jobs.owner import Owner, spectra
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]
NAN = float("nan")
EBV = [NAN, 0.3, 0.1]


def expected(flux: FloatArray) -> list[float]:
    corrected, _ = deredden(flux[1:], np.array(EBV[1:]), DR3)
    return tiny_redshift(np.concatenate([flux[:1], corrected])).astype(float).tolist()


def arrow(flux: FloatArray, ebv: list[float]) -> bytes:
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples)
    table = pyarrow.table({"flux": lists, "ebv": pyarrow.array(ebv)})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def csv(flux: FloatArray, ebv: list[float]) -> bytes:
    frame = pd.DataFrame(flux, columns=[f"flux_{sample}" for sample in range(DR3.samples)]).assign(EBV=ebv)
    return frame.to_csv(index=False).encode()


def test_json_is_corrected_and_says_what_dust_is_left(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3)
    rows: list[dict[str, Any]] = [{"flux": row.tolist()} for row in flux]
    plain = send(service, *rows).json()
    assert "corrected_to_ebv" not in plain
    rows[1]["ebv"], rows[2]["ebv"] = EBV[1:]
    reply = send(service, *rows).json()
    assert reply["corrected_to_ebv"] == TRAINING_EBV
    assert [one["redshift"] for one in reply["predictions"]] == pytest.approx(expected(flux), abs=2e-6)
    assert reply["predictions"][0] == plain["predictions"][0]


def test_a_wrong_ebv_is_refused_in_the_one_shape_with_its_place(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(2)
    reply = send(service, {"flux": flux[0].tolist()}, {"flux": flux[1].tolist(), "ebv": 3})
    assert error_of(reply, 422, "invalid_request")["details"][0]["at"] == "spectra[1].ebv"
    strict = {"params": {"rows": "strict"}, "headers": {"Content-Type": ARROW}}
    reply = service.post("/predict", content=arrow(flux, [0.1, -1]), **strict)
    assert error_of(reply, 422, "invalid_request")["details"][0]["at"] == "spectra[1].ebv"
    reply = service.post("/predict", content=arrow(flux, [0.1, -1]), headers={"Content-Type": ARROW})
    assert [one["status"] for one in reply.json()["predictions"]] == ["ok", "error"]
    assert reply.json()["predictions"][1]["error"]["code"] == "invalid_ebv"


def test_tables_are_corrected_by_their_column_and_say_so(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3)
    wanted = pytest.approx(expected(flux), abs=2e-6)
    said = "corrected for the Milky Way's extinction by ebv"
    reply = service.post("/predict/csv", content=csv(flux, EBV), headers={"Content-Type": "text/csv"})
    assert pd.read_csv(io.BytesIO(reply.content))["redshift"].tolist() == wanted
    assert said in reply.headers["x-recognised"]
    kinds = {"Content-Type": "text/csv", "Accept": "application/json"}
    reply = service.post("/predict/csv", content=csv(flux, EBV), headers=kinds)
    assert reply.json()["corrected_to_ebv"] == TRAINING_EBV
    for content, kind in ((arrow(flux, EBV), ARROW), (csv(flux, EBV), "text/csv")):
        reply = service.post(
            "/predict/table", params={"format": "arrow", "stamp": True}, content=content, headers={"Content-Type": kind}
        )
        assert said in reply.headers["x-recognised"]
        found = pyarrow.ipc.open_stream(reply.content).read_all()
        assert found["redshift"].to_pylist() == wanted
        assert found.schema.metadata[b"corrected_to_ebv"] == b"0.0323"
        assert found["corrected_to_ebv"].to_pylist() == ["0.0323"] * 3
        assert {"ebv", "EBV"} & set(found.column_names)


@pytest.mark.parametrize("rows", [3, 30])
def test_what_the_client_writes_is_read_with_its_ebv(service: TestClient, make_flux: Make, rows: int) -> None:
    flux, ebv = make_flux(rows), np.resize(np.array(EBV), rows)
    sent = write_request(Spectra({"flux": flux}, {"flux": None}, ebv), {})
    reply = service.post("/predict", content=sent["content"], headers=sent["headers"]).json()
    assert [one["redshift"] for one in reply["predictions"][:3]] == pytest.approx(expected(flux[:3]), abs=2e-6)
    assert reply["corrected_to_ebv"] == TRAINING_EBV


@pytest.mark.parametrize("rows", [4, 20])
def test_the_service_refuses_the_wrong_ebv_that_a_client_sends(service: TestClient, make_flux: Make, rows: int) -> None:
    ebv = [0.1, 3, np.inf, -np.inf, *[NAN] * (rows - 4)]
    options: dict[str, Any] = {"model": None, "prior": "survey", "pdf": False, "unit": None}
    question = ask(make_flux(rows), None, None, None, **options, ebv=ebv, rows="lenient")
    sent = write_request(question.spectra, {**question.options, "rows": "lenient"})
    reply = service.post("/predict", **sent)
    assert reply.status_code == 200, reply.text
    codes = [one.get("error", {}).get("code") for one in reply.json()["predictions"]]
    assert codes == [None, *["invalid_ebv"] * 3, *[None] * (rows - 4)]


@pytest.mark.parametrize("bands", [False, True], ids=["flux", "bands"])
def test_a_wrong_ebv_costs_the_client_its_row_if_rows_are_lenient(make_flux: Make, bands: bool) -> None:
    flux = make_flux(3)
    given = (None, flux[:, :80], flux[:, 80:]) if bands else (flux, None, None)
    options: dict[str, Any] = {"model": None, "prior": "survey", "pdf": False, "unit": None, "ebv": [0.1, 3, NAN]}
    question = ask(*given, None, **options, rows="lenient")
    assert [(row, one.code) for row, one in question.problems.items()] == [(1, "invalid_ebv")]
    assert question.spectra.ebv is not None
    assert question.spectra.ebv.tolist() == pytest.approx([0.1, 3, NAN], nan_ok=True)  # the service refuses the row
    assert all(mask is None for mask in question.spectra.masks.values())
    with pytest.raises(ValueError, match=r"row 1: invalid_ebv: ebv is 3: .* \(1 such row in all\)"):
        ask(*given, None, **options, rows="strict")


def test_a_row_of_a_job_shows_the_answer_of_its_table(owner: Owner) -> None:
    flux = spectra(3)
    job = owner.send(csv(flux, EBV), "text/csv", format="csv")
    assert owner.worker.work_once()
    wanted = pd.read_csv(io.BytesIO(owner.result(job)))["redshift"].tolist()
    assert wanted == pytest.approx(expected(flux), abs=2e-6)
    for row in range(3):
        found = owner.ask("GET", f"/jobs/{job}/rows/{row}").json()
        assert found["answers"][0]["redshift"] == wanted[row]
        assert found["flux"] == pytest.approx(flux[row].tolist(), abs=1e-5)
    bright = owner.ask("GET", f"/jobs/{job}/rows?sort=brightness").json()
    assert len(bright["rows"]) == 3
