"""Quality flags in NumPy: what `gaia_redshift.engine.flags` computes, as it is defined."""

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
from training.calibration.reference import features, ln_likelihood

Mask = NDArray[np.bool_]

_BANDS = (0, DR3.bp.count)
_BAND_COUNTS = (DR3.bp.count, DR3.samples - DR3.bp.count)
"""Where each band starts in a spectrum, and how many samples it has."""


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
        Kinds of source of the columns of `kind`.
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
            found["out_of_distribution"] |= ln_likelihood(described, self._parameters) < self._parameters.likelihood_min
            found["noise_mismatch"] = noise_mismatch(flux, np.exp(2 * (described[:, 0] + described[:, 1])))
            found["low_signal"] = described[:, 1] > -np.log(self._parameters.signal_to_noise_min)
            if kind is not None and self._parameters.stellar_probability_max is not None:
                stellar = kind[:, self._stellar].sum(axis=1)
                found["stellar_like"] = stellar > self._parameters.stellar_probability_max
        return {flag: found[flag] for flag in FLAGS if flag in found}


def noise_mismatch(flux: FloatArray, left: NDArray[np.floating]) -> Mask:
    """Return which spectra, shape (n, 186), have a mean square noise, shape (n,), outside that of any transits."""
    expected = of_one_transit(DR3)
    transits = LEFT * (flux @ expected.weights + expected.constant) / left
    fewest, most = TRANSITS
    return np.asarray((transits < fewest) | (transits > most))


def missing_band(flux: FloatArray) -> Mask:
    """Return which spectra, shape (n, 186), have a band that is constant, or zero in half of its samples."""
    lit = np.add.reduceat(flux != 0, _BANDS, axis=1, dtype=np.intp)
    constant = np.minimum.reduceat(flux, _BANDS, axis=1) == np.maximum.reduceat(flux, _BANDS, axis=1)
    return np.asarray((constant | (2 * lit <= _BAND_COUNTS)).any(axis=1))


def bimodal(posterior: NDArray[np.floating]) -> Mask:
    """Return which densities, shape (n, bins), have two separate modes.

    There is a bin where the density is below `VALLEY` of the lower of the highest peaks to its left and right, and
    either side holds at least `LESSER_MODE` of the probability.
    """
    left = np.maximum.accumulate(posterior, axis=1)
    right = np.maximum.accumulate(posterior[:, ::-1], axis=1)[:, ::-1]
    below = np.cumsum(posterior, axis=1)
    shares = np.minimum(below, 1 - below)
    return np.asarray(((posterior < VALLEY * np.minimum(left, right)) & (shares >= LESSER_MODE)).any(axis=1))
