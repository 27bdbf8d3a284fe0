"""Interval tables in NumPy: the definition of `gaia_redshift.engine.intervals`. Imports `interpretation`.

Recalibration measures coverage with it, and the tests compare the compiled graph with it.
"""

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.calibration import ENDS, Calibration
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.spectra import DR3, FloatArray


def brightness(flux: FloatArray) -> NDArray[np.float32]:
    """Return the mean of the 106 RP fluxes in e-/s per sample, shape (n,), of spectra of shape (n, 186)."""
    mean: NDArray[np.float32] = flux[:, DR3.bp.count :].mean(axis=1)
    return mean


class Intervals:
    """The interval tables of a calibration as arrays."""

    def __init__(self, calibration: Calibration) -> None:
        self._edges = np.array(calibration.brightness_edges)
        self._tables = {
            prior: [(np.array(table.redshift), [np.array(getattr(table, end)) for end in ENDS]) for table in tables]
            for prior, tables in calibration.intervals.items()
        }

    def at(self, prior: PriorName, flux: FloatArray, redshift: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the tables hold for predicted redshifts, shape (4, n) in the order of `ENDS`.

        Fluxes, shape (n, 186) in e-/s per sample, decide the class of brightness.
        """
        found = np.empty((len(ENDS), len(redshift)))
        classes = np.searchsorted(self._edges, brightness(flux), side="right")
        for number, (nodes, columns) in enumerate(self._tables[prior]):
            rows = classes == number
            for end, column in enumerate(columns):
                found[end, rows] = np.interp(redshift[rows], nodes, column)
        return found
