"""Probability densities over redshift on a grid of bins: prior, median, quantiles. Imports numpy alone.

The answer of a network holds for the distribution of redshifts that it was trained on. For any other, by Bayes' rule,
p(z | spectrum) is proportional to p_network(z | spectrum) * prior(z) / prior_of_training(z).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Densities = NDArray[np.float64]
"""Shape (n, bins): probability per bin, each row summing to one."""


def posterior(density: ArrayLike, prior: ArrayLike, prior_train: ArrayLike) -> Densities:
    """Return densities under another prior.

    The network's densities, shape (n, bins), hold under the redshifts that it was trained on. Priors are probabilities
    per bin, shape (bins,), those of training positive. If the prior excludes all of a density, the result is the prior.
    """
    prior = np.asarray(prior, np.float64)
    weighted = np.asarray(density, np.float64) * (prior / np.asarray(prior_train, np.float64))
    total = weighted.sum(axis=1, keepdims=True)
    if total.min(initial=1) <= 0:
        empty = total[:, 0] <= 0
        weighted[empty], total[empty] = prior, prior.sum()
    return np.asarray(weighted / total)


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
