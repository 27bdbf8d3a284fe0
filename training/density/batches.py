"""Batches of spectra with soft labels, made as they are needed. Imports `data` and `recipe`; Keras."""

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from gaia_redshift.spectra import FloatArray
from training.density.data import KINDS, Sample
from training.density.recipe import REDSHIFT_LIMIT, DensityRecipe


def bin_edges(bins: int) -> NDArray[np.float64]:
    """Return the edges of the bins, shape (bins + 1,)."""
    return np.linspace(0, REDSHIFT_LIMIT, bins + 1).round(9)


def soft_labels(redshift: FloatArray, recipe: DensityRecipe) -> FloatArray:
    """Return redshifts as densities: Gaussians integrated over the bins and cut off at the ends, shape (n, bins)."""
    edges = bin_edges(recipe.bins)
    below = ndtr((edges - redshift.astype(np.float64)[:, None]) / recipe.label_width)
    share = np.diff(below, axis=1)
    return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch: every row once, in an order that follows from the seed and the epoch alone.

    Parameters
    ----------
    sample : Sample
    scaler : MinMaxScaler
    recipe : DensityRecipe
    epoch : int or None
        None keeps the order of the sample.
    """

    def __init__(self, sample: Sample, scaler: Any, recipe: DensityRecipe, epoch: int | None = None) -> None:
        super().__init__()
        self._sample, self._recipe = sample, recipe
        self._scale, self._offset = np.float32(scaler.scale_), np.float32(scaler.min_)
        rows = np.arange(len(sample))
        self._order = rows if epoch is None else np.random.default_rng([recipe.seed, epoch]).permutation(rows)

    def __len__(self) -> int:
        return (len(self._order) + self._recipe.batch_size - 1) // self._recipe.batch_size

    def __getitem__(self, index: int) -> tuple[FloatArray, dict[str, FloatArray], dict[str, FloatArray]]:
        size = self._recipe.batch_size
        batch = self._sample.rows(self._order[index * size : (index + 1) * size])
        galaxy = batch.kind == 0
        wanted = {
            # What is no galaxy has no redshift: whatever stands here weighs nothing.
            "density": soft_labels(np.where(galaxy, batch.redshift, np.float32(0)), self._recipe),
            "kind": np.eye(len(KINDS), dtype=np.float32)[batch.kind],
        }
        weight = {"density": galaxy.astype(np.float32), "kind": np.ones(len(batch), np.float32)}
        return (batch.flux * self._scale + self._offset)[..., np.newaxis], wanted, weight
