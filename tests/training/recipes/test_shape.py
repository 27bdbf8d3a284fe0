from typing import Literal

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler

from tests.training.conftest import KERAS_WARNS, galaxies
from training.recipes.density import DensityRecipe
from training.recipes.recipe import Seen
from training.recipes.shape import LEAST_VARIANCE, whitening

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)

TINY = DensityRecipe(bins=12, width=8, hidden=8, blocks=1)


def test_whitened_spectra_are_uncorrelated_and_of_unit_variance() -> None:
    flux, _ = galaxies(2000)
    standard = (flux - flux.mean(axis=0)) / flux.std(axis=0)
    white = standard @ whitening(standard, 5)
    np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=1e-2)


def test_directions_of_little_variance_are_not_amplified_and_those_without_are_left_out() -> None:
    random = np.random.default_rng(1)
    size = np.array([3.0, 1.0, 0.05, 1e-3, 1e-7])
    standard = random.standard_normal((5000, 5)) * size
    factors = np.linalg.norm(whitening(standard, 5), axis=0)
    np.testing.assert_allclose(factors, [1 / 3, 1, LEAST_VARIANCE**-0.5, 0, 0], rtol=0.05)


@pytest.mark.parametrize(("optimizer", "matrices"), [("muon", 3), ("adamw", 0)])
def test_the_recipe_chooses_what_moves_the_matrices(optimizer: Literal["muon", "adamw"], matrices: int) -> None:
    recipe = TINY.model_copy(update={"optimizer": optimizer})
    network = recipe.build()
    recipe.compile(network, 10)
    # Muon keeps one moment of a variable, AdamW two; the answers' matrices and all vectors are AdamW's in both.
    network.optimizer.build(network.trainable_variables)
    learnt, moments = len(network.trainable_variables), len(network.optimizer.variables) - 1  # one counts the steps
    assert 2 * learnt - moments == matrices
    assert "whitening/kernel" not in {variable.path for variable in network.trainable_variables}


@pytest.mark.parametrize("whitened", [0, 7])
def test_the_network_undoes_its_scaler_and_parts_brightness_from_shape(whitened: int) -> None:
    flux, _ = galaxies(500)
    scaler = MinMaxScaler().fit(flux)
    network = TINY.model_copy(update={"whitened": whitened}).build(Seen(flux, scaler))
    unscaled = network.get_layer("unscale")(np.float32(scaler.transform(flux)))
    np.testing.assert_allclose(unscaled, flux, rtol=1e-3, atol=1e-3)
    root = np.sqrt(np.mean(np.square(flux), axis=1, keepdims=True))
    for name, seen in (("brightness", np.log(root)), ("shape", flux / root)):
        found = np.asarray(network.get_layer(name)(seen))
        np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-2)
        assert found.std(axis=0).max() < 1.01


def test_both_answers_are_probabilities() -> None:
    flux, _ = galaxies(20)
    answer = TINY.build()(flux[..., None])
    assert {name: values.shape for name, values in answer.items()} == {"density": (20, 12), "kind": (20, 5)}
    for values in answer.values():
        np.testing.assert_allclose(np.asarray(values).sum(axis=1), 1, atol=1e-5)
