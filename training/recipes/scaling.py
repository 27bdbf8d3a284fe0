"""The range of the training spectra, which scales the inputs of every network. Imports `data`; scikit-learn."""

import numpy as np
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.spectra import FloatArray
from training.data.material import Material
from training.recipes.recipe import Scaler

_ROWS_AT_ONCE = 1 << 16
"""Spectra copied at a time where all of them would need as much memory again."""


def fit_scaler(material: Material) -> Scaler:
    """Return a MinMaxScaler of the galaxies of the training part.

    The dissertation fitted its scaler before the split; here nothing is learnt from the other parts.
    """
    scaler = MinMaxScaler()
    for galaxies in material.galaxies:
        rows = galaxies.parts.train
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            scaler.partial_fit(galaxies.dataset.flux[rows[start : start + _ROWS_AT_ONCE]])
    return scaler


def flux_range(material: Material, scaler: Scaler) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest of each flux that a network was trained on, each of shape (186,).

    A scaler that came with an earlier training has seen other spectra; the network has learnt from both.
    """
    seen = fit_scaler(material)
    return np.minimum(scaler.data_min_, seen.data_min_), np.maximum(scaler.data_max_, seen.data_max_)
