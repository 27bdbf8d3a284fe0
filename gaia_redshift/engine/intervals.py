"""Interpolation in interval tables, in `keras.ops`. Imports keras, `interpretation` and `spectra` of the project."""

from collections.abc import Callable

import numpy as np
from keras import ops
from numpy.typing import NDArray

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.calibration import Calibration, IntervalTable
from gaia_redshift.spectra import Grid

ENDS = ("lower68", "upper68", "lower95", "upper95")
"""Interval ends in the order of an answer's columns."""


Take = Callable[[Tensor, Tensor], Tensor]


class Intervals:
    """Values of the interval tables, for each brightness class and prior, at predicted redshifts.

    A piecewise linear function is its first value plus, for each interval between nodes, a ramp from 0 to 1 times the
    increase over that interval. The ramps of all tables are columns of one matrix; a mask keeps those of a spectrum's
    table.

    Parameters
    ----------
    calibration : Calibration
    grid : Grid
    take : callable
        Returns the rows of a matrix at these indices.
    """

    def __init__(self, calibration: Calibration, grid: Grid, take: Take) -> None:
        self._take = take
        edges = calibration.brightness_edges
        self._mean = np.zeros((grid.samples, 1), np.float32)
        self._mean[grid.bp.count :] = 1 / grid.rp.count
        self._edges = np.array(edges, np.float32)[None]
        self._classes = len(edges) + 1
        tables = [table for prior in ("survey", "flat") for table in calibration.intervals.get(prior, ())]
        ramps = [_ramps(table) for table in tables]
        self._slope, self._shift, self._gain = map(np.concatenate, zip(*ramps, strict=True))
        lengths = [len(slope) for slope, _, _ in ramps]
        self._masks = np.repeat(np.eye(len(tables)), lengths, axis=1)

    def at(self, redshift: Tensor, flux: Tensor, prior_index: Tensor = None) -> Tensor:
        """Return the interval ends, shape (n, 4), in the order of `ENDS`.

        Parameters
        ----------
        redshift : tensor of float64, shape (n, 1)
        flux : tensor of float32, shape (n, samples)
            e-/s per sample.
        prior_index : tensor of int32, shape (n,) or (1,), optional
            1 selects the tables of the flat prior, every other number those of the survey.
        """
        ramp = ops.clip(redshift * self._slope - self._shift, 0.0, 1.0)
        return ops.matmul(ramp * self._take(self._masks, self._table(flux, prior_index)), self._gain)

    def _table(self, flux: Tensor, prior_index: Tensor) -> Tensor:
        brightness = ops.matmul(flux, self._mean)
        number = ops.sum(ops.cast(brightness >= self._edges, "int32"), axis=1)
        if prior_index is None:
            return number
        return number + self._classes * ops.cast(ops.equal(prior_index, 1), "int32")


def _ramps(table: IntervalTable) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return slope and offset of the ramps, and the increase of the four ends along each; the first is constant."""
    nodes = np.array(table.redshift)
    values = np.array([getattr(table, end) for end in ENDS]).T
    slope = np.concatenate([[0.0], 1 / np.diff(nodes)])
    shift = np.concatenate([[-1.0], nodes[:-1] * slope[1:]])
    return slope, shift, np.concatenate([values[:1], np.diff(values, axis=0)])
