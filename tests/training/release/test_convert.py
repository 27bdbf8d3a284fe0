"""The answer as a graph: that of the tests is up to date, and every backend computes the same."""

import os
import subprocess
import sys
from importlib.util import find_spec

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import load_engine
from gaia_redshift.spectra import DR3
from tests.gaia_redshift.engine.test_shipped_answers import PRIORS, spectra
from tests.tiny import ANSWERS, BIN_EDGES, SHIPPED
from tests.tiny_answers import tiny_answer


def random_inputs(*, density: bool, rows: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    flux = random.uniform(-2, 55, (rows, DR3.samples)).astype(np.float32)
    if not density:
        return {"flux": flux, "point": random.uniform(0, 0.6, (rows, 1)).astype(np.float32)}
    return {
        "flux": flux,
        "density": random.dirichlet(np.full(len(BIN_EDGES) - 1, 0.1), rows).astype(np.float32),
        "kind": random.dirichlet(np.ones(2), rows).astype(np.float32),
        "prior_index": random.integers(2, size=rows).astype(np.int32),
    }


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_answer_that_tests_put_behind_tiny_networks_is_the_answer_as_it_is(kind: str) -> None:
    """If this fails: python -m tests.tiny_answers."""
    inputs = random_inputs(density=kind == "density", rows=200)
    stored, fresh = onnx.load(ANSWERS[kind]), tiny_answer(density=kind == "density")
    operations = [sorted(node.op_type for node in model.graph.node) for model in (stored, fresh)]
    assert operations[0] == operations[1]
    for one, other in zip(*(answers(model, inputs) for model in (stored, fresh)), strict=True):
        assert (one == other).all()


def answers(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(sorted(node.name for node in session.get_outputs()), inputs)


def apart(name: str) -> tuple[float, float]:
    """Return how far Keras and ONNX Runtime are apart for a shipped model, and the share of spectra of other flags."""
    bundle, flux = Bundle(SHIPPED / name), spectra(name)[2700:3000]
    by_keras, by_onnx = (load_engine(bundle, each) for each in ("keras", "onnx"))
    given: tuple[np.ndarray, ...] = ()
    if bundle.bins is not None:
        priors, rows = bundle.bins.stack([PRIORS[row % 3] for row in range(len(flux))])
        given = (np.array(rows, np.int32), priors)
    one, other = by_keras(flux, *given), by_onnx(flux, *given)
    largest = np.abs(one.values - other.values).max(axis=1)
    return float(np.quantile(largest, 0.99)), float((one.flags != other.flags).mean())


def apart_on_another(backend: str, name: str) -> tuple[float, float]:
    program = f"from tests.training.release.test_convert import apart; print(*apart({name!r}))"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    largest, flags = map(float, done.stdout.split())
    return largest, flags


@pytest.mark.parametrize("name", ["default", "dissertation-cnn"])
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_every_backend_gives_the_same_answers_under_every_prior(backend: str, name: str) -> None:
    if not find_spec(backend):
        pytest.skip(f"needs {backend}")
    here = backend == keras.backend.backend()
    largest, flags = apart(name) if here else apart_on_another(backend, name)
    # What the networks differ by in single precision: more where the density has next to nothing.
    assert largest <= 5e-6
    assert flags <= 0.01
