"""One epoch in JAX's own loop leaves the network as Keras' batches do."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import keras, numpy as np
from unittest import mock
from training.data.material import Sample
from training.recipes.cnn import CnnRecipe, Convolution
from training.recipes.density import DensityRecipe
from training.recipes.recipe import Seen
from sklearn.preprocessing import MinMaxScaler
from training.trainer import loop

random = np.random.default_rng(3)
flux = random.uniform(0.5, 1.5, size=(7 * 9 + 3, 186)).astype(np.float32)
sample = Sample(flux, flux[:, :20].mean(axis=1) - 0.7, (np.arange(len(flux)) % 5).astype(np.int8))
scaler = MinMaxScaler().fit(flux)
point = CnnRecipe(convolutions=(Convolution(filters=4, kernel=5),), dense=(8,), batch_size=7)
density = DensityRecipe(bins=12, width=8, hidden=8, blocks=1, whitened=5, batch_size=7, optimizer="adamw")

def trained(recipe, in_jax):
    keras.utils.set_random_seed(5)
    network = recipe.build(Seen(flux, scaler))
    recipe.compile(network, 20)
    with mock.patch.object(loop, "_on_jax_device", lambda: in_jax), mock.patch.object(loop, "_PIECE", 4):
        epochs = loop.Loop(network, recipe.batches(sample.rows(np.arange(50)), scaler))
        found = [epochs.epoch(recipe.batches(sample, scaler, epoch), []) for epoch in (1, 2)]
    return network, found

for recipe in (point, density):
    (one, keras_found), (other, jax_found) = trained(recipe, False), trained(recipe, True)
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
