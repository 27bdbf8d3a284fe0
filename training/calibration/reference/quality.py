"""Likelihood of spectra among training galaxies, in NumPy: the definition of `gaia_redshift.engine.likeness`.

The thresholds of the quality flags are learnt with it.
"""

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.quality import QualityParameters
from gaia_redshift.spectra import FloatArray

_TINY = np.finfo(np.float32).tiny
"""Keeps logarithms and divisions of all-zero spectra finite."""


def features(flux: FloatArray, mean_shape: FloatArray, components: FloatArray) -> FloatArray:
    """Return the features that distinguish galaxies from other sources.

    Takes finite fluxes, shape (n, 186) in e-/s per sample, the mean shape, (186,), and components, (k, 186), which are
    orthonormal. Returns shape (n, 4 + k): ln of the root mean square; ln of the residual's root mean square over it; ln
    of the residual's largest deviation and of its step from sample to sample, over its own root mean square; then the
    coordinates in the components. The residual is what the components leave.
    """
    brightness = _root_mean_square(flux.astype(np.float32, copy=False)) + _TINY
    shape = flux / brightness[:, None] - mean_shape
    coordinates = shape @ components.T
    residual = shape - coordinates @ components
    left = _root_mean_square(residual) + _TINY
    largest = np.abs(residual).max(axis=1) / left
    step = _root_mean_square(residual[:, 1:] - residual[:, :-1]) / left
    described = np.empty((len(flux), 4 + len(components)), np.float32)
    for column, values in enumerate((brightness, left, largest + _TINY, step + _TINY)):
        np.log(values, out=described[:, column])
    described[:, 4:] = coordinates
    return described


def _root_mean_square(values: NDArray[np.floating]) -> FloatArray:
    return np.asarray(np.sqrt(np.vecdot(values, values) / np.float32(values.shape[1])), np.float32)


class Mixture:
    """The likelihood of features among training galaxies of the same brightness."""

    def __init__(self, parameters: QualityParameters) -> None:
        mean, sd = np.array([parameters.feature_mean, parameters.feature_sd])
        centres, whitening = np.array(parameters.centres), np.array(parameters.whitening)
        count, dimensions = centres.shape
        # One matrix product standardises, and whitens for all Gaussians at once.
        side_by_side = np.concatenate(list(whitening), axis=1) / sd[:, None]
        self._whitening = side_by_side.astype(np.float32)
        offset = np.einsum("gd,gde->ge", centres, whitening).ravel() + mean @ side_by_side
        self._offset = offset.astype(np.float32)
        self._shape = (count, dimensions)
        scale = np.log(np.abs(np.linalg.det(whitening)))
        self._ln_weight = (np.log(parameters.weights) + scale - dimensions / 2 * np.log(2 * np.pi)).astype(np.float32)
        covariance = np.linalg.inv(whitening @ whitening.transpose(0, 2, 1))
        variance = covariance[:, 0, 0]
        self._centre0 = (mean[0] + sd[0] * centres[:, 0]).astype(np.float32)
        self._half_precision0 = (0.5 / (variance * sd[0] ** 2)).astype(np.float32)
        self._ln_weight0 = (np.log(parameters.weights) - 0.5 * np.log(2 * np.pi * variance)).astype(np.float32)

    def ln_likelihood(self, described: FloatArray) -> FloatArray:
        """Return ln p(features | brightness), shape (n,), for features of shape (n, d)."""
        white = (described @ self._whitening - self._offset).reshape(-1, *self._shape)
        joint = _ln_sum(self._ln_weight - np.float32(0.5) * np.einsum("nge,nge->ng", white, white))
        deviation = described[:, :1] - self._centre0
        brightness = _ln_sum(self._ln_weight0 - self._half_precision0 * np.square(deviation))
        return np.asarray(joint - brightness)


def _ln_sum(ln_terms: FloatArray) -> FloatArray:
    """Return ln of the sum of exp over the last axis, safe where every term underflows."""
    largest = ln_terms.max(axis=-1)
    return np.asarray(largest + np.log(np.exp(ln_terms - largest[..., None]).sum(axis=-1)))
