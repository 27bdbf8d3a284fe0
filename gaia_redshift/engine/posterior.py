"""Probability densities over redshift, in `keras.ops`: prior, quantiles, two modes. Imports keras and `interpretation`.

The network's probabilities hold under the redshift distribution of its training. Bayes' rule converts them to another
prior: p(z | spectrum) is proportional to p_network(z | spectrum) * prior(z) / prior_of_training(z).

Probabilities are float64, so that rounding does not change a redshift's sixth decimal. Sums over bins are matrix
products, because their order of additions does not depend on a row's place in memory; that of a reduction does.
"""

import numpy as np
from keras import ops
from numpy.typing import NDArray

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.quality import LESSER_MODE, VALLEY

_NOTHING = 1e-290
"""Share of the training prior added to every density: if a prior excludes all of the density, the result is the prior;
otherwise it is too small to matter."""
_LEAST = 1e-307
"""Keeps divisions by the probability of an empty bin finite."""


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
        If the prior excludes all of a spectrum's density, the prior itself.
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

        A level is the sum of its parts in each bin: all of the bins below the redshift, a fraction of the bin that
        contains it, and nothing of those above.

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
    """Return a number per spectrum, shape (n, 1), that is negative where its density is bimodal.

    Bimodal means that in some bin the density is below `VALLEY` times the lower of the highest peaks to its left and
    right, and each side has at least `LESSER_MODE` of the probability.

    Parameters
    ----------
    densities, cumulative : tensor of float64, shape (n, bins)
        Probability per bin, and below the upper edge of each.
    """
    bins = densities.shape[1]
    single = ops.cast(densities, "float32")
    # Padded with zeros on both sides, one max-pooling over windows as long as the density gives the highest peak to the
    # left of each bin in its first outputs, and to the right in its last.
    padded = ops.pad(ops.expand_dims(single, 2), ((0, 0), (bins - 1, bins - 1), (0, 0)))
    highest = ops.max_pool(padded, bins, strides=1, padding="valid", data_format="channels_last")
    highest = ops.squeeze(highest, axis=2)
    lower = ops.minimum(highest[:, :bins], highest[:, bins - 1 :])
    between = ops.abs(cumulative - 0.5) <= 0.5 - LESSER_MODE
    depth = (single - np.float32(VALLEY) * lower) * ops.cast(between, "float32")
    return ops.min(depth, axis=1, keepdims=True)
