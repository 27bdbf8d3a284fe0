"""Densities, priors and p(z) are the same by JSON, CSV, NumPy, Arrow, client and command."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fastapi.testclient import TestClient
from pyarrow import parquet
from typer.testing import CliRunner

from app.main import create_app
from app.settings import Settings
from gaia_redshift.client import AsyncClient
from gaia_redshift.commands.main import build
from gaia_redshift.media import ARROW, NPY
from gaia_redshift.spectra import DR3, FloatArray
from tests.app.api.test_predict import error_of
from tests.app.wire.test_npy import npy
from tests.gaia_redshift.client.test_client import in_process
from tests.tiny import BIN_EDGES, tiny_density, write_tiny_bundle

Make = Callable[[int], FloatArray]
TABLE = {"redshift": [0.0, 0.1, 0.6], "density": [0.0, 2.0, 0.5]}
VALUES = ("redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95")


@pytest.fixture
def density_models(tmp_path: Path) -> Path:
    write_tiny_bundle(tmp_path / "models" / "tiny", density=True)
    return tmp_path / "models"


@pytest.fixture
def density_service(density_models: Path) -> Iterator[TestClient]:
    settings = Settings(models=density_models, default_model="tiny", engine="onnx", threads=1)
    with TestClient(create_app(settings)) as client:
        yield client


def ask(service: TestClient, flux: FloatArray, **options: Any) -> Any:
    return service.post("/predict", json={"spectra": [{"flux": row} for row in flux.tolist()], **options})


def numbers(rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([[float(row[name]) for name in VALUES] for row in rows])


def upload(flux: FloatArray) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([f"flux_{sample}" for sample in range(DR3.samples)])
    writer.writerows(flux.tolist())
    return text.getvalue().encode()


@pytest.mark.parametrize("prior", ["survey", "flat"])
def test_every_way_gives_the_same_density(density_service: TestClient, make_flux: Make, prior: str) -> None:
    flux = make_flux(30)
    in_json = ask(density_service, flux, prior=prior, pdf=True).json()
    assert in_json["prior"] == prior
    assert in_json["bin_edges"] == pytest.approx(BIN_EDGES.tolist())
    wanted = numbers(in_json["predictions"])
    pdf = np.array([row["pdf"] for row in in_json["predictions"]])
    assert (pdf * np.diff(BIN_EDGES)).sum(axis=1) == pytest.approx(1, abs=1e-4)

    query = {"prior": prior, "pdf": "true"}
    answer = density_service.post(
        "/predict/csv", content=upload(flux), headers={"Content-Type": "text/csv"}, params=query
    )
    assert answer.headers["x-prior"] == prior
    assert json.loads(answer.headers["x-bin-edges"]) == pytest.approx(BIN_EDGES.tolist())
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert numbers(rows) == pytest.approx(wanted)
    assert np.array([[float(row[f"pdf_{number}"]) for number in range(60)] for row in rows]) == pytest.approx(pdf)

    headers = {"Content-Type": NPY, "Accept": ARROW}
    answer = density_service.post("/predict", content=npy(flux), headers=headers, params=query)
    with pa.ipc.open_stream(answer.content) as stream:
        table = stream.read_all()
    assert numbers(table.to_pylist()) == pytest.approx(wanted)
    assert np.array(table["pdf"].to_pylist()) == pytest.approx(pdf)
    assert json.loads(table.schema.metadata[b"bin_edges"]) == pytest.approx(BIN_EDGES.tolist())
    assert table.schema.metadata[b"prior"] == prior.encode()


def test_small_and_large_requests_agree(density_service: TestClient, make_flux: Make) -> None:
    flux = make_flux(300)
    whole = numbers(ask(density_service, flux).json()["predictions"])
    single = numbers([ask(density_service, flux[row : row + 1]).json()["predictions"][0] for row in range(0, 300, 50)])
    assert single == pytest.approx(whole[::50], abs=2e-6)


def test_a_prior_of_the_users_own_moves_the_redshifts(density_service: TestClient, make_flux: Make) -> None:
    flux = make_flux(20)
    reply = ask(density_service, flux, prior=TABLE).json()
    assert reply["prior"] == "table"
    assert numbers(reply["predictions"]) != pytest.approx(numbers(ask(density_service, flux).json()["predictions"]))


@pytest.mark.parametrize(
    ("prior", "place"),
    [
        ("uniform", "prior"),
        ({"redshift": [0.1, 0.1], "density": [1, 1]}, "prior"),
        ({"redshift": [0.1, 0.2], "density": [1]}, "prior.density"),
        ({"redshift": [0.1, "0.2"], "density": [1, 1]}, "prior.redshift[1]"),
        ({"redshift": [0.7, 0.9], "density": [1, 1]}, "prior.density"),
        (3, "prior"),
    ],
)
def test_a_wrong_prior_is_refused_with_its_place(
    density_service: TestClient, make_flux: Make, prior: Any, place: str
) -> None:
    error = error_of(ask(density_service, make_flux(1), prior=prior), 422, "invalid_request")
    assert error["details"][0]["at"].startswith(place)


@pytest.mark.parametrize("options", [{"prior": "flat"}, {"pdf": True}, {"prior": TABLE}])
def test_a_point_model_refuses_options_of_density_models(
    service: TestClient, make_flux: Make, options: dict[str, Any]
) -> None:
    error_of(ask(service, make_flux(1), **options), 422, "unsupported_by_model")


def test_the_models_page_tells_what_a_density_model_can_do(density_service: TestClient) -> None:
    shown = density_service.get("/models/tiny").json()
    assert shown["manifest"]["output"] == "density"
    assert shown["bins"] == len(BIN_EDGES) - 1
    assert shown["priors"] == ["survey", "flat", "sample", "table"]
    assert "bimodal" in shown["quality_flags"]


def test_the_client_returns_densities(density_models: Path, density_service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3)
    wanted = ask(density_service, flux, prior=TABLE, pdf=True).json()

    async def use(client: AsyncClient) -> None:
        found = await client.predict(flux, prior=TABLE, pdf=True)
        assert found.prior == "table"
        assert [one.redshift for one in found] == [row["redshift"] for row in wanted["predictions"]]
        assert found.bin_edges == pytest.approx(BIN_EDGES)
        assert found[0].pdf == wanted["predictions"][0]["pdf"]

    in_process(Settings(models=density_models, default_model="tiny", engine="onnx", threads=1), use)


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_the_command_writes_what_the_service_answers(
    density_service: TestClient,
    density_models: Path,
    make_flux: Make,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    ending: str,
) -> None:
    monkeypatch.setenv("GAIA_REDSHIFT_DEFAULT_MODEL", "tiny")
    flux = make_flux(12)
    (tmp_path / "in.csv").write_bytes(upload(flux))
    (tmp_path / "prior.csv").write_text("redshift,density\n0,0\n0.1,2\n0.6,0.5\n")
    out = tmp_path / f"out.{ending}"
    command = ["predict", str(tmp_path / "in.csv"), "-o", str(out), "--models", str(density_models)]
    result = CliRunner().invoke(build(), [*command, "--prior", str(tmp_path / "prior.csv"), "--pdf"])
    assert result.exit_code == 0, result.output
    wanted = ask(density_service, flux, prior=TABLE, pdf=True).json()["predictions"]
    if ending == "csv":
        rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(out.read_text())))
        pdf = np.array([[float(row[f"pdf_{number}"]) for number in range(60)] for row in rows])
    else:
        rows = parquet.read_table(out).to_pylist()
        pdf = np.array([row["pdf"] for row in rows])
    assert numbers(rows) == pytest.approx(numbers(wanted))
    assert pdf == pytest.approx(np.array([row["pdf"] for row in wanted]))


def test_a_row_that_cannot_be_predicted_has_no_density(density_service: TestClient, make_flux: Make) -> None:
    flux = make_flux(3)
    flux[1] = 0
    rows = ask(density_service, flux, pdf=True).json()["predictions"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok"]
    assert "pdf" not in rows[1]


def test_the_tiny_density_is_what_the_network_gives(density_service: TestClient, make_flux: Make) -> None:
    flux = make_flux(40)
    rows = ask(density_service, flux, prior="flat", pdf=True).json()["predictions"]
    found = np.array([row["pdf"] for row in rows]) * np.diff(BIN_EDGES)
    assert found == pytest.approx(tiny_density(flux), abs=2e-6)
