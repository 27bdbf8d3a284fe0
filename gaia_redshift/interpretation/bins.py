"""The redshift bins of a density model, and the priors on them. Imports `prior` and `calibration`."""

from collections.abc import Sequence
from functools import cached_property
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.prior import Prior, PriorName, PriorTable


class Bins:
    """Redshift bins of a density model, and the priors on them.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
    widths : ndarray, shape (bins,)
    prior_train : ndarray, shape (bins,)
        Probability per bin of the training redshifts.
    """

    def __init__(self, edges: Sequence[float], calibration: Calibration) -> None:
        self.edges = np.array(edges)
        self.widths = np.diff(self.edges)
        self.prior_train = np.array(calibration.prior_train)
        self._priors: dict[PriorName, NDArray[np.float64]] = {
            "survey": np.array(calibration.prior_survey),
            "flat": self.widths / self.widths.sum(),
        }

    @cached_property
    def priors(self) -> NDArray[np.float64]:
        """The built-in priors, shape (2, bins): the survey's and the flat one."""
        return np.stack([self._priors[name] for name in get_args(PriorName)])

    def stack(self, wanted: Sequence[Prior]) -> tuple[NDArray[np.float64], list[int]]:
        """Return priors as a matrix and row numbers, as an engine takes them.

        Parameters
        ----------
        wanted : sequence of Prior

        Returns
        -------
        priors : ndarray, shape (k, bins)
            `priors`, then each other prior once.
        rows : list of int
            Row of each of `wanted` in the matrix.

        Raises
        ------
        InvalidRequestError
            If a prior is zero in all bins.
        """
        names, tables, rows = get_args(PriorName), [], []
        for each in wanted:
            if not isinstance(each, PriorTable):
                rows.append(names.index(each))
                continue
            if each not in tables:
                tables.append(each)
            rows.append(len(names) + tables.index(each))
        return np.concatenate([self.priors, *(self.prior(table)[None] for table in tables)]), rows

    def prior(self, wanted: Prior) -> NDArray[np.float64]:
        """Return a prior as probability per bin, shape (bins,); raises InvalidRequestError if it is zero in all."""
        return wanted.on_bins(self.edges) if isinstance(wanted, PriorTable) else self._priors[wanted]
