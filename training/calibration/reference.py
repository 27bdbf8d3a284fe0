"""Parts of the answer in NumPy and double precision: what `gaia_redshift.engine` computes, as it is defined.

Calibrations and quality flags are learnt with it, and the tests compare the compiled graph with it.

The densities of a network hold for the distribution of redshifts that it was trained on. For any other, by Bayes' rule,
p(z | spectrum) is proportional to p_network(z | spectrum) * prior(z) / prior_of_training(z).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from scipy.stats import norm

from gaia_redshift.interpretation.calibration import ENDS, Calibration
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.quality import QualityParameters
from gaia_redshift.spectra import DR3, FloatArray

Densities = NDArray[np.float64]
"""Shape (n, bins): probability per bin, each row summing to one."""

_NOTHING = 1e-290
"""Share of the training prior added to every density, too small to matter where the prior does not exclude it."""
_TINY = np.finfo(np.float32).tiny
"""Keeps logarithms and divisions of all-zero spectra finite."""


def posterior(density: ArrayLike, prior: ArrayLike, prior_train: ArrayLike) -> Densities:
    """Return densities under another prior.

    The network's densities, shape (n, bins), hold under the redshifts that it was trained on. Priors are probabilities
    per bin, shape (bins,), those of training positive. If the prior excludes all of a density, the result is the prior.
    """
    trained = np.asarray(prior_train, np.float64)
    weighted = (np.asarray(density, np.float64) + _NOTHING * trained) * (np.asarray(prior, np.float64) / trained)
    return np.asarray(weighted / weighted.sum(axis=1, keepdims=True))


def quantile(densities: Densities, bin_edges: ArrayLike, level: ArrayLike) -> NDArray[np.float64]:
    """Return the redshift below which each density holds `level`, linear within a bin; shape (n,) or (k, n).

    Densities have shape (n, bins), edges (bins + 1,), increasing; levels between 0 and 1 have shape (), (n,) or (k, n):
    k levels of each density at once cost little more than one.
    """
    edges, wanted = np.asarray(bin_edges, np.float64), np.asarray(level, np.float64)
    cumulative, rows = np.cumsum(densities, axis=1), np.arange(len(densities))
    # The first bin that reaches the level; rounding may leave the last sum a little below one.
    index = np.minimum(np.count_nonzero(cumulative < wanted[..., None], axis=-1), cumulative.shape[1] - 1)
    before = np.where(index > 0, cumulative[rows, index - 1], 0.0)
    inside = cumulative[rows, index] - before
    fraction = np.divide(wanted - before, inside, out=np.zeros(index.shape), where=inside > 0)
    low = edges[index]
    return np.asarray(low + np.minimum(np.maximum(fraction, 0), 1) * (edges[index + 1] - low))


def cumulative_at(densities: Densities, bin_edges: ArrayLike, redshift: ArrayLike) -> NDArray[np.float64]:
    """Return how much of each density lies below `redshift`, shape (n,): the inverse of `quantile`."""
    edges, z = np.asarray(bin_edges, np.float64), np.asarray(redshift, np.float64)
    rows = np.arange(len(densities))
    index = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, densities.shape[1] - 1)
    inside = densities[rows, index]
    before = np.cumsum(densities, axis=1)[rows, index] - inside
    fraction = np.clip((z - edges[index]) / (edges[index + 1] - edges[index]), 0, 1)
    return np.asarray(before + fraction * inside)


def brightness(flux: FloatArray) -> NDArray[np.float32]:
    """Return the mean of the 106 RP fluxes in e-/s per sample, shape (n,), of spectra of shape (n, 186)."""
    mean: NDArray[np.float32] = flux[:, DR3.bp.count :].mean(axis=1)
    return mean


def brightness_class(flux: FloatArray, edges: Sequence[float]) -> NDArray[np.intp]:
    """Return the class of brightness of each spectrum, shape (n,), between inner edges in e-/s per sample."""
    return np.searchsorted(edges, brightness(flux), side="right")


def interval_ends(
    calibration: Calibration, prior: PriorName, flux: FloatArray, redshift: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return what the interval tables give at predicted redshifts, shape (4, n) in the order of `ENDS`.

    Fluxes, shape (n, 186) in e-/s per sample, decide the class of brightness.
    """
    found = np.empty((len(ENDS), len(redshift)))
    number = brightness_class(flux, calibration.brightness_edges)
    for own, table in enumerate(calibration.intervals[prior]):
        rows = number == own
        for place, end in enumerate(ENDS):
            found[place, rows] = np.interp(redshift[rows], table.redshift, getattr(table, end))
    return found


def features(flux: FloatArray, mean_shape: FloatArray, components: FloatArray) -> FloatArray:
    """Return the features that distinguish galaxies from other sources, shape (n, 4 + k).

    They are: ln of the root mean square; ln of the residual's root mean square over it; ln of the residual's largest
    deviation and of its step from sample to sample, over its own root mean square; then the coordinates in the
    components. The residual is what the components leave.

    Parameters
    ----------
    flux : ndarray, shape (n, 186)
        e-/s per sample, finite.
    mean_shape : ndarray, shape (186,)
    components : ndarray, shape (k, 186)
        Orthonormal.
    """
    brightness = _root_mean_square(flux.astype(np.float32, copy=False)) + _TINY
    shape = flux / brightness[:, None] - mean_shape
    coordinates = shape @ components.T
    residual = shape - coordinates @ components
    left = _root_mean_square(residual) + _TINY
    largest = np.abs(residual).max(axis=1) / left
    step = _root_mean_square(residual[:, 1:] - residual[:, :-1]) / left
    logarithms = np.log([brightness, left, largest + _TINY, step + _TINY])
    return np.concatenate([logarithms.T, coordinates], axis=1)


def _root_mean_square(values: NDArray[np.floating]) -> FloatArray:
    return np.asarray(np.sqrt(np.vecdot(values, values) / np.float32(values.shape[1])), np.float32)


def ln_likelihood(described: FloatArray, parameters: QualityParameters) -> NDArray[np.float64]:
    """Return ln p(features | brightness) among training galaxies, shape (n,), for features of shape (n, d)."""
    from sklearn.mixture import GaussianMixture  # here, so that an evaluation needs no scikit-learn

    standard = (described - np.array(parameters.feature_mean)) / np.array(parameters.feature_sd)
    weights, centres, whitening = map(np.array, (parameters.weights, parameters.centres, parameters.whitening))
    mixture = GaussianMixture(len(weights))
    mixture.weights_, mixture.means_, mixture.precisions_cholesky_ = weights, centres, whitening
    variance = np.linalg.inv(whitening @ whitening.transpose(0, 2, 1))[:, 0, 0]
    of_brightness = norm.logpdf(standard[:, :1], centres[:, 0], np.sqrt(variance))
    return np.asarray(mixture.score_samples(standard) - logsumexp(of_brightness, axis=1, b=weights))
