"""What ships: every bundle is whole, says that it is simulated, and runs the same on both engines."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from app.bundle import Bundle, discover
from app.engine import load_engine
from app.spectra import FloatArray
from tests.tiny import SHIPPED

BUNDLES = discover(SHIPPED)


def test_the_dissertation_network_ships() -> None:
    assert "dissertation-cnn" in [path.name for path in BUNDLES]


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_a_shipped_bundle_is_whole_and_holds_nothing_else(folder: Path) -> None:
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    assert {path.name for path in folder.iterdir()} == {"manifest.json", *listed}
    for name, record in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == record["sha256"]
    assert Bundle(folder).manifest.name == folder.name


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_a_shipped_card_says_first_that_the_training_was_simulated(folder: Path) -> None:
    first = (folder / "CARD.md").read_text().splitlines()[0]
    assert "SIMULATED" in first


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_a_shipped_model_was_trained_on_at_least_100_000_galaxies(folder: Path) -> None:
    training = Bundle(folder).manifest.training
    assert training.simulated
    assert training.spectra["train"] >= 100_000


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_keras_and_onnx_agree_on_a_thousand_galaxies(folder: Path, simulated: FloatArray) -> None:
    bundle = Bundle(folder)
    keras, onnx = load_engine(bundle, "keras"), load_engine(bundle, "onnx")
    assert len(simulated) == 1000
    assert np.abs(keras(simulated) - onnx(simulated)).max() <= 5e-6
