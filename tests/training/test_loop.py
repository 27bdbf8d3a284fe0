"""One epoch in JAX's own loop leaves the network as Keras' batches do."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import keras, numpy as np
from unittest import mock
from training import loop
from training.networks import build, compile_for_training
from training.recipe import Convolution, Recipe

recipe = Recipe(convolutions=(Convolution(filters=4, kernel=5),), dense=(8,), batch_size=7)
random = np.random.default_rng(3)
flux = random.uniform(size=(7 * 9 + 3, 186, 1)).astype(np.float32)
redshift = flux[:, :20].mean(axis=(1, 2))

def trained(in_jax):
    keras.utils.set_random_seed(5)
    network = build(recipe)
    compile_for_training(network, recipe)
    with mock.patch.object(loop, "_on_jax_device", lambda: in_jax), mock.patch.object(loop, "_PIECE", 4):
        epochs = loop.Loop(network, recipe, (flux[:50], redshift[:50]))
        found = [epochs.epoch(flux, redshift, []) for _ in range(2)]
    return network, found

(one, keras_found), (other, jax_found) = trained(False), trained(True)
for ours, theirs in zip(jax_found, keras_found, strict=True):
    assert set(ours) == set(theirs), (ours, theirs)
    assert all(type(value) is float for values in ours.values() for value in values), ours  # history.csv has them
    for name, values in theirs.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-3, err_msg=name)
assert jax_found[1]["loss"][0] < jax_found[0]["loss"][0]
assert int(other.optimizer.iterations.value) == int(one.optimizer.iterations.value) == 20
for ours, theirs in zip(other.weights, one.weights, strict=True):
    np.testing.assert_allclose(ours, theirs, atol=2e-5)
"""


def test_the_compiled_loop_trains_as_keras_does() -> None:
    pytest.importorskip("jax")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | {"KERAS_BACKEND": "jax"},
    )
    assert done.returncode == 0, done.stderr
