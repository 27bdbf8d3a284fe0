"""The bins of redshift of a density, and the priors on them. Imports `prior` and `calibration`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.prior import Prior, PriorName, PriorTable


class Bins:
    """A density's bins, and the priors on them.

    Attributes
    ----------
    edges : ndarray, shape (bins + 1,)
    widths : ndarray, shape (bins,)
    prior_train : ndarray, shape (bins,)
        Probability per bin of the redshifts that the network was trained on.
    """

    def __init__(self, edges: Sequence[float], calibration: Calibration) -> None:
        self.edges = np.array(edges)
        self.widths = np.diff(self.edges)
        self.prior_train = np.array(calibration.prior_train)
        self._priors: dict[PriorName, NDArray[np.float64]] = {
            "survey": np.array(calibration.prior_survey),
            "flat": self.widths / self.widths.sum(),
        }

    def prior(self, wanted: Prior) -> NDArray[np.float64]:
        """Return a prior as probability per bin, shape (bins,); raises InvalidRequestError if it is zero in all."""
        return wanted.on_bins(self.edges) if isinstance(wanted, PriorTable) else self._priors[wanted]
