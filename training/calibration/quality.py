"""The parameters of the quality flags, learnt from training galaxies. Imports `interpretation.quality`; scikit-learn.

A mixture of Gaussians over a few features says how likely a spectrum is among galaxies as bright. It costs little
beside the network, and is learnt without spectra of anything that is no galaxy.
"""

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from gaia_redshift.interpretation.quality import STELLAR_KINDS, QualityParameters
from gaia_redshift.spectra import FloatArray
from training.calibration.reference.quality import Mixture, features
from training.data.kinds import KINDS

COMPONENTS = 12
GAUSSIANS = 24
LEARNING_ROWS = 50_000
"""Spectra that basis and mixture are learnt from: more change the flags by less than their scatter."""
SPECTRA_PER_GAUSSIAN = 100
"""A small training set gets fewer Gaussians."""

FLAGGED_OUT_OF_DISTRIBUTION = 0.02
FLAGGED_STELLAR = 0.01
"""Fractions of the survey's validation galaxies that these flags may hit."""

FLAGGED_OF_BALANCED = 0.04
"""And of galaxies of all redshifts alike, where there are such: what is rare in the survey is unlikely to the mixture,
and of the galaxies beyond z = .4 the survey's limit alone would refuse more than a quarter."""

SIGNAL_TO_NOISE_MIN = 2.0
"""Blank sky has 1.0, and 1.24 in one of a hundred; of the survey's galaxies one in a thousand has less than 2.6."""

BRIGHT = 20.0
"""Root mean square in e-/s per sample from which on a spectrum weighs no more in the basis."""

_DECIMALS = 6


def learn(
    flux: FloatArray,
    validation: FloatArray,
    kind: NDArray[np.floating] | None,
    seed: int,
    balanced: FloatArray | None = None,
) -> QualityParameters:
    """Learn the flags' parameters.

    Parameters
    ----------
    flux : ndarray, shape (n, 186)
        Galaxies of the training part, e-/s per sample; `LEARNING_ROWS` of them are enough.
    validation : ndarray, shape (m, 186)
        Galaxies of the validation part: they set the thresholds.
    kind : ndarray, shape (m, kinds), optional
        The network's probabilities for them, in the order of `training.data.kinds.KINDS`.
    balanced : ndarray, shape (l, 186), optional
        Validation galaxies of all redshifts alike, not to be refused either.
    """
    mean_shape, components = principal_components(flux)
    described = features(flux, mean_shape, components).astype(np.float64)
    mean, sd = described.mean(axis=0), described.std(axis=0) + 1e-9
    gaussians = max(1, min(GAUSSIANS, len(flux) // SPECTRA_PER_GAUSSIAN))
    mixture = GaussianMixture(gaussians, random_state=seed, reg_covar=1e-4, tol=1e-2, max_iter=60)
    with warnings.catch_warnings():
        # A likelihood that still creeps upwards is good enough: the threshold is taken from other galaxies anyway.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit((described - mean) / sd)
    unset = QualityParameters(
        mean_shape=_listed(mean_shape),
        components=_listed(components),
        feature_mean=_listed(mean),
        feature_sd=_listed(sd),
        weights=_listed(mixture.weights_),
        centres=_listed(mixture.means_),
        whitening=_listed(mixture.precisions_cholesky_),
        likelihood_min=0.0,
        signal_to_noise_min=SIGNAL_TO_NOISE_MIN,
    )
    return _with_thresholds(unset, validation, kind, balanced)


def principal_components(flux: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean shape, (186,), and the first components, (k, 186), rounded as the bundle holds them.

    Spectra weigh by their brightness: the basis shall describe galaxies, not the noise of the faint ones.
    """
    brightness = np.sqrt(np.mean(np.square(flux), axis=1, keepdims=True))
    shape = flux / brightness
    mean = shape.mean(axis=0)
    weighted = (shape - mean) * np.minimum(brightness, BRIGHT)
    _, directions = np.linalg.eigh(weighted.T.astype(np.float64) @ weighted)
    components = directions[:, ::-1].T[:COMPONENTS]
    return mean.round(_DECIMALS).astype(np.float32), components.round(_DECIMALS).astype(np.float32)


def _with_thresholds(
    unset: QualityParameters, validation: FloatArray, kind: NDArray[np.floating] | None, balanced: FloatArray | None
) -> QualityParameters:
    mixture = Mixture(unset)
    basis = np.array(unset.mean_shape, np.float32), np.array(unset.components, np.float32)

    def limit(galaxies: FloatArray, flagged: float) -> float:
        return float(np.quantile(mixture.ln_likelihood(features(galaxies, *basis)), flagged))

    likelihood_min = limit(validation, FLAGGED_OUT_OF_DISTRIBUTION)
    if balanced is not None:
        likelihood_min = min(likelihood_min, limit(balanced, FLAGGED_OF_BALANCED))
    stellar = None
    if kind is not None:
        columns = [KINDS.index(name) for name in STELLAR_KINDS]
        stellar = float(np.quantile(kind[:, columns].sum(axis=1), 1 - FLAGGED_STELLAR))
    return replace(unset, likelihood_min=likelihood_min, stellar_probability_max=stellar)


def _listed(values: NDArray[np.floating]) -> Any:
    """Return an array as nested lists, rounded: six decimals of a feature change no flag."""
    return np.asarray(values, np.float64).round(_DECIMALS).tolist()
