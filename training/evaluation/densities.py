"""How good probability densities of redshift are. Imports `training.calibration.reference.density`.

A density is a probability per bin, uniform within each bin; so its cumulative distribution is piecewise linear, and
every integral below is exact.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_1samp, uniform

from training.calibration.reference.density import cumulative_at

Column = NDArray[np.float64]
Densities = NDArray[np.floating]

LEVELS = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Nominal levels of the central intervals whose coverage `reliability` compares."""


def pit(density: Densities, edges: Column, true: Column) -> Column:
    """Return the probability integral transform: the density's mass below the true redshift, shape (n,).

    Takes probabilities per bin, shape (n, bins), each row summing to one; the bins' ascending edges, shape (bins + 1,);
    and true redshifts, shape (n,). It is uniform between 0 and 1 where the densities are calibrated, and 0 or 1 beyond
    the edges.
    """
    return np.clip(cumulative_at(np.asarray(density, np.float64), edges, true), 0.0, 1.0)


def kolmogorov_smirnov(values: Column) -> float:
    """Return the largest distance between the distribution of `values`, shape (n,), and the uniform one."""
    return float(ks_1samp(values, uniform.cdf, method="asymp").statistic)


def crps(density: Densities, edges: Column, true: Column) -> Column:
    """Return the continuous ranked probability score, in redshift: the integral of (F(z) - [z >= true])^2, shape (n,).

    Takes what `pit` takes. For a density that is one number it is the absolute error (Gneiting & Raftery 2007, JASA
    102, 359).
    """
    inside, place, share, below = _place(density, edges, true)
    width = np.diff(edges)
    high = np.cumsum(density, axis=1, dtype=np.float64)
    low = high - density
    mass = np.take_along_axis(density, place[:, None], 1)[:, 0]
    middle = below + share * mass
    here = np.arange(density.shape[1])
    left = np.where(here < place[:, None], _square(low, high) * width, 0).sum(axis=1)
    right = np.where(here > place[:, None], _square(1 - low, 1 - high) * width, 0).sum(axis=1)
    left += _square(below, middle) * share * width[place]
    right += _square(1 - middle, 1 - below - mass) * (1 - share) * width[place]
    return np.asarray(left + right + np.abs(true - inside))


def cde_loss(density: Densities, edges: Column, true: Column) -> Column:
    """Return each galaxy's conditional density estimation loss, shape (n,); its mean is least for the true densities.

    Takes what `pit` takes. It is the integral of p^2 minus twice p at the true redshift, in units of 1 / redshift
    (Izbicki & Lee 2017, EJS 11, 2800; Dalmasso et al. 2020, Astron. Comput. 30, 100362).
    """
    inside, place, _, _ = _place(density, edges, true)
    per_redshift = density / np.diff(edges)
    at_true = np.take_along_axis(per_redshift, place[:, None], 1)[:, 0]
    return np.asarray((per_redshift * density).sum(axis=1) - 2 * np.where(inside == true, at_true, 0))


def reliability(values: Column) -> Column:
    """Return the observed fraction in the central interval of each of `LEVELS`, from PIT values of shape (n,)."""
    return np.array([(np.abs(values - 0.5) <= level / 2).mean() for level in LEVELS])


def _place(density: Densities, edges: Column, true: Column) -> tuple[Column, NDArray[np.intp], Column, Column]:
    """Return the true redshift within the edges, its bin, how far into it, and the mass below that bin."""
    inside = np.clip(true, edges[0], edges[-1])
    place = np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, density.shape[1] - 1)
    share = (inside - edges[place]) / np.diff(edges)[place]
    total = np.cumsum(density, axis=1, dtype=np.float64)
    below = np.take_along_axis(total, place[:, None], 1)[:, 0] - np.take_along_axis(density, place[:, None], 1)[:, 0]
    return inside, place, share, below


def _square(low: Column, high: Column) -> Column:
    """Return the mean square of what runs linearly from `low` to `high`."""
    return np.asarray((low * low + low * high + high * high) / 3)
