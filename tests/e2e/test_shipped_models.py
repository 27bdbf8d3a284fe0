"""What ships: every bundle is whole, says that it is simulated, and runs the same on both engines."""

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from app.settings import Settings
from gaia_redshift.bundle import ONNX_FILE, Bundle, discover
from gaia_redshift.engine import load_engine
from gaia_redshift.spectra import FloatArray
from tests.tiny import SHIPPED
from training.release.graph import straighten

BUNDLES = discover(SHIPPED)


def test_the_default_model_and_the_dissertations_network_ship() -> None:
    assert [path.name for path in BUNDLES] == ["default", "dissertation-cnn"]
    assert Settings().default_model == "default"


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
    engines = load_engine(bundle, "keras"), load_engine(bundle, "onnx")
    assert len(simulated) == 1000
    keras, onnx = (engine(simulated, pdf=bundle.bins is not None) for engine in engines)
    apart = np.abs(keras.values - onnx.values)
    if bundle.bins is None:
        assert apart.max() <= 5e-6
        return
    # The largest probabilities are about .1; medians are what is served.
    assert np.abs((keras.pdf - onnx.pdf) * bundle.bins.widths).max() <= 5e-5
    assert np.quantile(apart[:, 0], 0.999) <= 5e-6


@pytest.mark.parametrize("folder", BUNDLES, ids=lambda path: path.name)
def test_shipped_graphs_are_straight(folder: Path) -> None:
    network = onnx.load(folder / ONNX_FILE)
    count = len(network.graph.node)
    assert len(straighten(network).graph.node) == count
