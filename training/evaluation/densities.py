"""How good probability densities of redshift are. Imports `training.calibration.reference`.

In all functions a density is a probability per bin, shape (n, bins), each row summing to one, uniform within each bin.
Edges are the bins' own, ascending, shape (bins + 1,); true redshifts have shape (n,). All integrals are exact.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_1samp, uniform

from training.calibration.reference import cumulative_at

Column = NDArray[np.float64]
Densities = NDArray[np.floating]

LEVELS = np.round(np.arange(0.05, 1.0, 0.05), 2)
"""Nominal levels of the central intervals whose coverage `reliability` compares."""


def pit(density: Densities, edges: Column, true: Column) -> Column:
    """Return the probability integral transform: the density's mass below the true redshift, shape (n,).

    It is uniform between 0 and 1 where the densities are calibrated, and 0 or 1 beyond the edges.
    """
    return np.clip(cumulative_at(np.asarray(density, np.float64), edges, true), 0.0, 1.0)


def kolmogorov_smirnov(values: Column) -> float:
    """Return the largest distance between the distribution of `values`, shape (n,), and the uniform one."""
    return float(ks_1samp(values, uniform.cdf, method="asymp").statistic)


def crps(density: Densities, edges: Column, true: Column) -> Column:
    """Return the continuous ranked probability score, in redshift, shape (n,).

    It is the mean distance of redshifts drawn from the density to the true one, minus half their mean distance to each
    other (Gneiting & Raftery 2007, JASA 102, 359, eq. 21). For a density that is one number it is the absolute error.
    """
    width = np.diff(edges)
    above = np.cumsum(density, axis=1, dtype=np.float64)
    below = above - density
    from_true = edges - true[:, None]
    to_true = np.diff(from_true * np.abs(from_true), axis=1) / (2 * width)
    # Half the mean distance to each other is the integral of F (1 - F), where F runs linearly from `below` to `above`.
    to_each_other = (below + above) / 2 - (below**2 + below * above + above**2) / 3
    return np.asarray((density * to_true).sum(axis=1) - to_each_other @ width)


def cde_loss(density: Densities, edges: Column, true: Column) -> Column:
    """Return each galaxy's conditional density estimation loss, shape (n,); its mean is least for the true densities.

    It is the integral of p^2 minus twice p at the true redshift, in units of 1 / redshift (Izbicki & Lee 2017, EJS 11,
    2800; Dalmasso et al. 2020, Astron. Comput. 30, 100362).
    """
    per_redshift = density / np.diff(edges)
    place = np.clip(np.searchsorted(edges, true, side="right") - 1, 0, density.shape[1] - 1)
    inside = (edges[0] <= true) & (true <= edges[-1])
    at_true = np.where(inside, per_redshift[np.arange(len(true)), place], 0)
    return np.asarray((per_redshift * density).sum(axis=1) - 2 * at_true)


def reliability(values: Column) -> Column:
    """Return the observed fraction in the central interval of each of `LEVELS`, from PIT values of shape (n,)."""
    return np.array([(np.abs(values - 0.5) <= level / 2).mean() for level in LEVELS])
