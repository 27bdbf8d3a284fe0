from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.spectra import RELEASES
from tests.app.api.test_predict import error_of
from tests.gaia_redshift.archive.server import Sky, serving
from tests.tiny import tiny_redshift


@pytest.fixture
def sky() -> Iterator[Sky]:
    with serving(Sky()) as served:
        yield served


@pytest.fixture
def linked(models: Path, sky: Sky) -> Iterator[TestClient]:
    settings = Settings(models=models, default_model="tiny", engine="onnx", archive_url=f"{sky.url}/data")
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def test_sources_are_answered_in_order_and_those_without_spectra_told(linked: TestClient) -> None:
    rows = linked.post("/predict/sources", json={"source_ids": [150, 7, 120, 150]}).json()["predictions"]
    assert [row["source_id"] for row in rows] == ["150", "7", "120", "150"]
    assert [row["status"] for row in rows] == ["ok", "error", "ok", "ok"]
    assert rows[1]["error"]["code"] == "not_in_archive"
    basis = RELEASES["Gaia DR3"].basis
    assert basis is not None
    coefficients = np.array([[1.5] * 55, [1.2] * 55])
    flux = np.concatenate([basis.samples("BP", coefficients), basis.samples("RP", coefficients)], axis=1)
    expected = tiny_redshift(flux.astype(np.float32)).tolist()
    assert [rows[0]["redshift"], rows[2]["redshift"]] == pytest.approx(expected, abs=1e-6)
    assert rows[3] == rows[0]


def test_it_is_off_unless_enabled(service: TestClient) -> None:
    error = error_of(service.post("/predict/sources", json={"source_ids": [1]}), 403, "forbidden")
    assert "GAIA_REDSHIFT_ARCHIVE_URL" in error["message"]


def test_an_archive_that_refuses_is_502(linked: TestClient, sky: Sky) -> None:
    sky.failures = [403]
    error_of(linked.post("/predict/sources", json={"source_ids": [150]}), 502, "archive_failed")


@pytest.mark.parametrize("body", [{}, {"source_ids": []}, {"source_ids": [1.5]}, {"source_ids": [1], "piror": "flat"}])
def test_a_wrong_body_is_refused(linked: TestClient, body: dict) -> None:
    error_of(linked.post("/predict/sources", json=body), 422, "invalid_request")
