"""Spectra unlike all that a point model was trained on get a reason and no number."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import SHIPPED, tiny_redshift, write_tiny_bundle

Make = Callable[[int], FloatArray]


def spectra_at(redshifts: list[float], make_flux: Make) -> FloatArray:
    """Return spectra whose redshift the tiny network takes for these."""
    flux = make_flux(len(redshifts)).astype(np.float64)
    flux *= (np.array(redshifts) / tiny_redshift(flux.astype(np.float32)))[:, None]
    return flux.astype(np.float32)


def test_a_point_model_answers_within_a_tenth_of_its_range_and_gives_a_reason_beyond(
    tmp_path: Path, make_flux: Make
) -> None:
    predictor = Predictor(write_tiny_bundle(tmp_path / "tiny"))  # trained on 0 to 0.6
    answers = predictor(spectra_at([0.3, 0.655, 0.665, -0.055, -0.065, -55_000, 34_803], make_flux))
    assert answers["status"].tolist() == ["ok", "ok", "error", "ok", "error", "error", "error"]
    wrong = answers["status"] == "error"
    assert np.isnan(answers["redshift"][wrong]).all()
    assert np.isnan(answers["redshift_upper95"][wrong]).all()
    assert all(text.startswith("beyond_model: ") for text in answers["error"][wrong])
    assert (answers["quality"][wrong] == "").all()


def test_the_service_says_so_and_counts_it(service: TestClient, make_flux: Make) -> None:
    flux = spectra_at([0.3, 5.0], make_flux).astype(float).tolist()
    good, bad = service.post("/predict", json={"spectra": [{"flux": row} for row in flux]}).json()["predictions"]
    assert good["status"] == "ok"
    assert (bad["status"], bad["error"]["code"]) == ("error", "beyond_model")
    metric = 'gaia_redshift_spectrum_problems_total{code="beyond_model",model="tiny",version="1.2.3"} '
    assert metric in service.get("/metrics").text


@pytest.mark.parametrize("name", ["default", "dissertation-cnn"])
def test_no_shipped_model_answers_a_redshift_that_it_cannot_know(name: str) -> None:
    random = np.random.default_rng(1)
    flux = np.concatenate(
        [
            random.choice([-1, 1], (200, DR3.samples)) * 10 ** random.uniform(-3, 6, (200, 1)),
            random.standard_normal((200, DR3.samples)) * 10 ** random.uniform(-2, 5, (200, 1)),
            np.eye(DR3.samples) * 1e6,
        ]
    ).astype(np.float32)
    predictor = Predictor(name, models=SHIPPED)
    low, high = predictor.manifest.redshift_range
    found = predictor(flux)["redshift"]
    found = found[~np.isnan(found)]
    margin = 0.1 * (high - low)
    assert ((found >= low - margin) & (found <= high + margin)).all()
