"""Probability densities over redshift, in `keras.ops`: prior, quantiles, two modes. Imports keras and `interpretation`.

A network trained on one distribution of redshifts answers for that distribution. Bayes' rule takes its answer to any
other: p(z | spectrum) is proportional to p_network(z | spectrum) * prior(z) / prior_of_training(z).

Probabilities are float64: rounding must not move a redshift by more than its sixth decimal. Sums over bins are products
with matrices, whose order of additions is the same for every row wherever it lies in memory; that of a reduction is
not.
"""

import numpy as np
from keras import ops
from numpy.typing import NDArray

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.quality import LESSER_MODE, VALLEY

_NOTHING = 1e-290
"""Of the training's prior, added to every density: where a prior excludes all of it, what is left is the prior, and
nowhere else is it seen."""
_LEAST = 1e-307
"""Keeps the division by the probability of an empty bin finite."""


def posterior(density: Tensor, prior: Tensor, prior_train: NDArray[np.float64]) -> Tensor:
    """Return densities under each spectrum's prior.

    Parameters
    ----------
    density : tensor of float32, shape (n, bins)
        The network's probabilities, under the redshift distribution it was trained on.
    prior : tensor of float64, shape (n, bins) or (1, bins)
        Probability per bin.
    prior_train : ndarray, shape (bins,)
        Positive.

    Returns
    -------
    tensor of float64, shape (n, bins)
        A spectrum whose density the prior excludes altogether gets the prior itself.
    """
    weighted = (ops.cast(density, "float64") + _NOTHING * prior_train) * (prior / prior_train)
    return weighted / ops.matmul(weighted, np.ones((len(prior_train), 1)))


class Cumulative:
    """The cumulative distribution of densities, linear within each bin.

    Parameters
    ----------
    densities : tensor of float64, shape (n, bins)
    edges : ndarray, shape (bins + 1,)
        Of the bins, increasing.
    """

    def __init__(self, densities: Tensor, edges: NDArray[np.float64]) -> None:
        self.at_upper_edge = ops.cumsum(densities, axis=1)
        self._below = ops.expand_dims(self.at_upper_edge - densities, 1)
        self._per_probability = ops.expand_dims(1.0 / ops.maximum(densities, np.float64(_LEAST)), 1)
        self._widths, self._start = np.diff(edges)[:, None], float(edges[0])

    def quantile(self, level: Tensor) -> Tensor:
        """Return the redshifts below which each density holds `level`, shape (n, k).

        A level is the sum of what it takes of each bin: all of those below the redshift, a part of the one that it is
        in, and nothing of those above.

        Parameters
        ----------
        level : tensor of float64, shape (n, k, 1) or (k, 1)
        """
        taken = ops.clip((level - self._below) * self._per_probability, 0.0, 1.0)
        bins = len(self._widths)
        redshift = ops.matmul(ops.reshape(taken, (-1, bins)), self._widths)
        redshift = ops.reshape(redshift, (-1, level.shape[-2]))
        return redshift + self._start if self._start else redshift


def valley(densities: Tensor, cumulative: Tensor) -> Tensor:
    """Return a number per spectrum, shape (n, 1), that is negative where its density has two modes worth telling apart.

    There is a bin where the density is below `VALLEY` of the lower of the highest peaks to its left and right, and
    either side holds at least `LESSER_MODE` of the probability.

    Parameters
    ----------
    densities, cumulative : tensor of float64, shape (n, bins)
        Probability per bin, and below the upper edge of each.
    """
    bins = densities.shape[1]
    single = ops.cast(densities, "float32")
    # Zeros on both sides: one pooling over windows as long as the density gives the highest peak to the left of each
    # bin in its first outputs, and that to the right in its last.
    padded = ops.pad(ops.expand_dims(single, 2), ((0, 0), (bins - 1, bins - 1), (0, 0)))
    highest = ops.max_pool(padded, bins, strides=1, padding="valid", data_format="channels_last")
    highest = ops.squeeze(highest, axis=2)
    lower = ops.minimum(highest[:, :bins], highest[:, bins - 1 :])
    between = ops.abs(cumulative - 0.5) <= 0.5 - LESSER_MODE
    depth = (single - np.float32(VALLEY) * lower) * ops.cast(between, "float32")
    return ops.min(depth, axis=1, keepdims=True)
