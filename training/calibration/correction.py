"""A correction of a network's redshifts, learnt from labelled galaxies. Imports the reference; numpy and scipy.

Two numbers describe the effect of another instrument, noise or calibration on the network: all redshifts are off by
`shift` (1 + z), and all densities are too narrow or too wide by a `temperature` (Guo et al. 2017, PMLR 70, 1321). Both
are affine in the last layer's output, so that they can become part of the weights, and a bundle keeps its form.

Redshifts have shape (n,), the edges of bins (bins + 1,) and log likelihoods (n, bins).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from gaia_redshift.errors import InvalidInputError

Column = NDArray[np.float64]

MOST_SHIFT = 0.1
MOST_TEMPERATURE = 5.0
"""Anything farther off is another population or another instrument, and needs a training."""

SMOOTHING = 0.03
"""Width of the kernel that makes a distribution of the labelled redshifts."""


@dataclass(frozen=True, slots=True)
class Correction:
    """What is done to a network's output."""

    shift: float = 0.0
    """A redshift z becomes z + shift (1 + z)."""
    temperature: float = 1.0
    """Above one a density becomes wider: its likelihood is raised to the power 1 / temperature."""

    @property
    def is_none(self) -> bool:
        """Whether it changes nothing."""
        return self == Correction()

    def of_redshift(self, redshift: Column) -> Column:
        """Return corrected point estimates, shape (n,)."""
        return np.asarray(redshift + self.shift * (1 + redshift))

    def matrix(self, edges: Column) -> Column:
        """Return what takes log likelihoods in bins, shape (n, bins), to the corrected ones, shape (bins, bins).

        Between the middles of the bins they are linear, beyond the outermost ones constant. Each column sums to
        1 / temperature, so that a constant added to a row stays a constant.
        """
        middle, bins = (edges[1:] + edges[:-1]) / 2, np.arange(len(edges) - 1)
        # Where the corrected middles lay before, in bins and parts of bins.
        before = np.interp((middle - self.shift) / (1 + self.shift), middle, bins)
        return np.asarray(np.maximum(1 - np.abs(bins[:, None] - before), 0) / self.temperature)

    def of_likelihood(self, ln_likelihood: Column, edges: Column) -> Column:
        """Return corrected log likelihoods, shape (n, bins)."""
        return np.asarray(ln_likelihood @ self.matrix(edges))


def ln_likelihood(density: NDArray[np.floating], prior_train: Column) -> Column:
    """Return the logarithm of what a density says without the prior it was trained under, shape (n, bins)."""
    least = np.finfo(np.float32).tiny
    return np.asarray(np.log(np.maximum(density.astype(np.float64), least)) - np.log(prior_train))


def smooth_prior(true: Column, edges: Column) -> Column:
    """Return how labelled redshifts are distributed over the bins, shape (bins,): Gaussians around each."""
    middle = (edges[1:] + edges[:-1]) / 2
    distance = (middle - true[:, None]) / SMOOTHING
    found = np.exp(-0.5 * distance**2).sum(axis=0) * np.diff(edges) + 1e-9
    return np.asarray(found / found.sum())


def ln_score(likelihood: Column, true: Column, edges: Column, prior: Column) -> Column:
    """Return the log probability of each galaxy's own bin, shape (n,), for log likelihoods under a prior."""
    weighted = likelihood + np.log(prior)
    own = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, len(prior) - 1)
    return np.asarray(weighted[np.arange(len(true)), own] - logsumexp(weighted, axis=1))


def fit_density(likelihood: Column, true: Column, edges: Column) -> Correction:
    """Return the correction under which the labelled redshifts, shape (n,), are most likely.

    Likelihoods are those of `ln_likelihood`, shape (n, bins), edges have shape (bins + 1,). The prior is the
    distribution of the labelled redshifts themselves: its difference from the survey's is not the instrument's, and
    must not become a shift. Raises InvalidInputError if the correction is beyond what a recalibration can do.
    """
    prior = smooth_prior(true, edges)

    def loss(parameters: Column) -> float:
        tried = Correction(float(parameters[0]) / 100, float(np.exp(parameters[1])))
        return -float(ln_score(tried.of_likelihood(likelihood, edges), true, edges, prior).mean())

    limits = [(-100 * MOST_SHIFT, 100 * MOST_SHIFT), (-np.log(MOST_TEMPERATURE), np.log(MOST_TEMPERATURE))]
    simplex = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.3]])
    found = minimize(loss, simplex[0], method="Nelder-Mead", bounds=limits, options={"initial_simplex": simplex})
    return _possible(Correction(float(found.x[0]) / 100, float(np.exp(found.x[1]))))


def fit_point(predicted: Column, true: Column) -> Correction:
    """Return the correction that takes the median error to zero; raises InvalidInputError as `fit_density`."""
    return _possible(Correction(float(np.median((true - predicted) / (1 + predicted)))))


def _possible(found: Correction) -> Correction:
    """Return a correction; raise InvalidInputError if it is as large as is searched."""
    hot = max(found.temperature, 1 / found.temperature)
    if abs(found.shift) > 0.99 * MOST_SHIFT or hot > 0.99 * MOST_TEMPERATURE:
        raise InvalidInputError(
            f"the labelled redshifts are off from the model's by {found.shift:+.3f} (1 + z) or more, or its densities "
            f"too narrow or too wide by a factor of {MOST_TEMPERATURE:g}: no recalibration corrects that. Are the "
            "redshifts those of these spectra? If they are, train on them"
        )
    return found


def improves(gain: Column) -> bool:
    """Return whether held-back galaxies gain by a correction: by more than twice the error of their mean gain."""
    return bool(gain.mean() > 2 * gain.std() / np.sqrt(len(gain)))
