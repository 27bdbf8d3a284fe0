"""Quality flags in NumPy: what `gaia_redshift.engine.flags` computes, as it is defined. Imports `interpretation`.

The thresholds are learnt with it, and the tests compare the compiled graph with it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.noise import LEFT, TRANSITS, of_one_transit
from gaia_redshift.interpretation.quality import (
    EDGE_WIDTH,
    FLAGS,
    LESSER_MODE,
    STELLAR_KINDS,
    VALLEY,
    QualityFlag,
    QualityParameters,
)
from gaia_redshift.spectra import DR3, FloatArray

Mask = NDArray[np.bool_]

_BANDS = (0, DR3.bp.count)
_BAND_COUNTS = (DR3.bp.count, DR3.samples - DR3.bp.count)
"""Where each band starts in a spectrum, and how many samples it has."""

_TINY = np.finfo(np.float32).tiny
"""Keeps logarithms and divisions of all-zero spectra finite."""


def features(flux: FloatArray, mean_shape: FloatArray, components: FloatArray) -> FloatArray:
    """Describe spectra by what sets galaxies apart from anything else.

    Parameters
    ----------
    flux : ndarray, shape (n, 186)
        e-/s per sample, finite.
    mean_shape : ndarray, shape (186,)
    components : ndarray, shape (k, 186)
        Orthonormal rows.

    Returns
    -------
    ndarray of float32, shape (n, 4 + k)
        ln of: root mean square; the residual's root mean square over it, its largest deviation and its step from
        sample to sample over its own root mean square; then the coordinates in `components`. The residual is what
        the components leave: noise, and whatever no galaxy has.
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


class Quality:
    """A model's flags.

    Parameters
    ----------
    parameters : QualityParameters or None
        None for a model that has learnt none: it gives the flags that need none.
    flux_range : tuple of ndarray, each of shape (186,)
        Least and largest training flux of each sample.
    redshift_range : tuple of float
        Of the training galaxies.
    kinds : sequence of str, optional
        What the columns of `kind` stand for.
    """

    def __init__(
        self,
        parameters: QualityParameters | None,
        flux_range: tuple[FloatArray, FloatArray],
        redshift_range: tuple[float, float],
        kinds: Sequence[str] = (),
    ) -> None:
        self._parameters = parameters
        self._flux_low, self._flux_high = flux_range
        self._redshift_range = redshift_range
        self._stellar = [kinds.index(name) for name in STELLAR_KINDS if name in kinds]
        if parameters is not None:
            self._mean_shape = np.array(parameters.mean_shape, np.float32)
            self._components = np.array(parameters.components, np.float32)
            self._mixture = Mixture(parameters)

    def masks(
        self,
        flux: FloatArray,
        redshift: NDArray[np.float64],
        posterior: NDArray[np.floating] | None = None,
        kind: NDArray[np.floating] | None = None,
    ) -> dict[QualityFlag, Mask]:
        """Return which of n spectra get which flag.

        Parameters
        ----------
        flux : ndarray, shape (n, 186)
            e-/s per sample, finite.
        redshift : ndarray, shape (n,)
            The point estimates.
        posterior : ndarray, shape (n, bins), optional
            Probability per bin, under the prior of the estimate.
        kind : ndarray, shape (n, kinds), optional
            Probability of each kind of source.

        Returns
        -------
        dict
            A mask of shape (n,) for each flag that can be judged, in the order of `FLAGS`.
        """
        low, high = self._redshift_range
        missing = missing_band(flux)
        found: dict[QualityFlag, Mask] = {
            "outside_training_range": np.any((flux < self._flux_low) | (flux > self._flux_high), axis=1),
            "near_range_edge": (redshift < low + EDGE_WIDTH) | (redshift > high - EDGE_WIDTH),
            "missing_band": missing,
            "out_of_distribution": missing.copy(),
        }
        if posterior is not None:
            found["bimodal"] = bimodal(posterior)
        if self._parameters is not None:
            described = features(flux, self._mean_shape, self._components)
            found["out_of_distribution"] |= self._mixture.ln_likelihood(described) < self._parameters.likelihood_min
            found["noise_mismatch"] = noise_mismatch(flux, np.exp(2 * (described[:, 0] + described[:, 1])))
            found["low_signal"] = described[:, 1] > -np.log(self._parameters.signal_to_noise_min)
            if kind is not None and self._parameters.stellar_probability_max is not None:
                stellar = kind[:, self._stellar].sum(axis=1)
                found["stellar_like"] = stellar > self._parameters.stellar_probability_max
        return {flag: found[flag] for flag in FLAGS if flag in found}


def noise_mismatch(flux: FloatArray, left: NDArray[np.floating]) -> Mask:
    """Say which spectra, shape (n, 186), have noise of a mean square, shape (n,), that no transits leave."""
    expected = of_one_transit(DR3)
    transits = LEFT * (flux @ expected.weights + expected.constant) / left
    fewest, most = TRANSITS
    return np.asarray((transits < fewest) | (transits > most))


def missing_band(flux: FloatArray) -> Mask:
    """Say which spectra, shape (n, 186), have a band that is constant, or zero in half of its samples."""
    lit = np.add.reduceat(flux != 0, _BANDS, axis=1, dtype=np.intp)
    constant = np.minimum.reduceat(flux, _BANDS, axis=1) == np.maximum.reduceat(flux, _BANDS, axis=1)
    return np.asarray((constant | (2 * lit <= _BAND_COUNTS)).any(axis=1))


def bimodal(posterior: NDArray[np.floating]) -> Mask:
    """Say which densities, shape (n, bins), have two modes worth telling apart.

    There is a bin where the density is below `VALLEY` of the lower of the highest peaks to its left and right, and
    either side holds at least `LESSER_MODE` of the probability.
    """
    left = np.maximum.accumulate(posterior, axis=1)
    right = np.maximum.accumulate(posterior[:, ::-1], axis=1)[:, ::-1]
    below = np.cumsum(posterior, axis=1)
    shares = np.minimum(below, 1 - below)
    return np.asarray(((posterior < VALLEY * np.minimum(left, right)) & (shares >= LESSER_MODE)).any(axis=1))
