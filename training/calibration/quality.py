"""The parameters of the quality flags, learnt from training galaxies. Imports `interpretation.quality`; scikit-learn.

A mixture of Gaussians over a few features gives the likelihood of a spectrum among galaxies as bright. It costs little
beside the network, and is learnt from galaxies alone.
"""

import warnings
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from gaia_redshift.interpretation.quality import STELLAR_KINDS, QualityParameters
from gaia_redshift.spectra import FloatArray
from training.calibration.reference import features, ln_likelihood
from training.data.kinds import KINDS

COMPONENTS = 12
GAUSSIANS = 24
LEARNING_ROWS = 50_000
"""Spectra that basis and mixture are learnt from: more change the flags by less than their scatter."""
SPECTRA_PER_GAUSSIAN = 100
"""A small training set gets fewer Gaussians."""

FLAGGED_OUT_OF_DISTRIBUTION = 0.02
FLAGGED_STELLAR = 0.004
"""Fractions of the survey's validation galaxies that these flags may hit. Galaxies unlike the survey's look like stars
more often, up to ten times, and 98% of stars and distant quasars are still flagged."""

FLAGGED_OF_BALANCED = 0.04
"""And of balanced galaxies: the mixture gives what is rare in the survey a low likelihood, and the survey's limit alone
would flag more than a quarter of the galaxies beyond z = .4."""

SIGNAL_TO_NOISE_MIN = 2.0
"""Blank sky has 1.0, and 1.24 in one of a hundred; of the survey's galaxies one in a thousand has less than 2.6."""

BRIGHT = 20.0
"""Root mean square in e-/s per sample above which spectra have equal weight in the basis."""

_DECIMALS = 6


def learn(
    flux: FloatArray,
    validation: FloatArray,
    kind: NDArray[np.floating] | None,
    seed: int,
    balanced: FloatArray | None = None,
) -> QualityParameters:
    """Learn the flags' parameters from galaxies of the training part, of which `LEARNING_ROWS` are enough.

    Galaxies of the validation part set the thresholds, with the network's probabilities of their kinds, shape (m,
    kinds) in the order of `KINDS`, and balanced ones of all redshifts. Spectra have shape (n, 186), e-/s per sample.
    """
    mean_shape, components = principal_components(flux)
    described = features(flux, mean_shape, components).astype(np.float64)
    mean, sd = described.mean(axis=0), described.std(axis=0) + 1e-9
    gaussians = max(1, min(GAUSSIANS, len(flux) // SPECTRA_PER_GAUSSIAN))
    mixture = GaussianMixture(gaussians, random_state=seed, reg_covar=1e-4, tol=1e-2, max_iter=60)
    with warnings.catch_warnings():
        # A likelihood that still grows slowly is good enough: other galaxies set the threshold.
        warnings.simplefilter("ignore", ConvergenceWarning)
        mixture.fit((described - mean) / sd)
    learnt = {"mean_shape": mean_shape, "components": components, "feature_mean": mean, "feature_sd": sd}
    learnt |= {"weights": mixture.weights_, "centres": mixture.means_, "whitening": mixture.precisions_cholesky_}
    unset = QualityParameters(
        # Six decimals of a feature change no flag.
        **{name: np.asarray(values, np.float64).round(_DECIMALS).tolist() for name, values in learnt.items()},
        likelihood_min=0.0,
        signal_to_noise_min=SIGNAL_TO_NOISE_MIN,
    )
    basis = np.array(unset.mean_shape, np.float32), np.array(unset.components, np.float32)

    def limit(galaxies: FloatArray, flagged: float) -> float:
        return float(np.quantile(ln_likelihood(features(galaxies, *basis), unset), flagged))

    likelihood_min = limit(validation, FLAGGED_OUT_OF_DISTRIBUTION)
    if balanced is not None:
        likelihood_min = min(likelihood_min, limit(balanced, FLAGGED_OF_BALANCED))
    stellar = None
    if kind is not None:
        columns = [KINDS.index(name) for name in STELLAR_KINDS]
        stellar = float(np.quantile(kind[:, columns].sum(axis=1), 1 - FLAGGED_STELLAR))
    return replace(unset, likelihood_min=likelihood_min, stellar_probability_max=stellar)


def principal_components(flux: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the mean shape, (186,), and the first components, (k, 186), rounded as the bundle holds them.

    Spectra are weighted by their brightness, so that the basis describes galaxies, not the noise of the faint ones.
    """
    brightness = np.sqrt(np.mean(np.square(flux), axis=1, keepdims=True))
    shape = flux / brightness
    mean = shape.mean(axis=0)
    weighted = (shape - mean) * np.minimum(brightness, BRIGHT)
    _, directions = np.linalg.eigh(weighted.T.astype(np.float64) @ weighted)
    components = directions[:, ::-1].T[:COMPONENTS]
    return mean.round(_DECIMALS).astype(np.float32), components.round(_DECIMALS).astype(np.float32)
