"""Intervals that hold what they promise: split-conformal offsets by predicted redshift. Imports `app.calibration`.

Conformal prediction (Vovk et al. 2005; Lei et al. 2018, JASA 113, 1094) needs no assumption on the network: the
finite-sample quantiles of the errors on galaxies that it was not trained on bound the error of the next one. Taking
them by predicted redshift (Mondrian conformal prediction) makes the promise hold there and not only on average.
"""

import math

import numpy as np
from numpy.typing import NDArray

from app.calibration import Calibration, IntervalTable
from app.spectra import FLUX_COUNT

NODE_WIDTH = 0.02
"""Least range of predicted redshift behind one node: Gaia's UGC calibrates in the same steps."""
NODE_GALAXIES = 200
"""Least number of galaxies behind one node: their 2.5% tail holds five."""

_ROUNDING = 1e-9
"""A rank that is a whole number must not be rounded up because 1.68 is not exact in binary."""

Column = NDArray[np.floating]


def calibrate(predicted: Column, true: Column, flux_min: Column, flux_max: Column) -> Calibration:
    """Learn the offsets of the 68 and 95% intervals from the validation part.

    Parameters
    ----------
    predicted, true : ndarray, shape (n,)
        Redshifts of the validation part.
    flux_min, flux_max : ndarray, shape (186,)
        Range of each flux in the training part, e-/s per sample.

    Returns
    -------
    Calibration
        Each interval holds the prediction itself: no lower offset is positive, no upper one negative.
    """
    if flux_min.shape != (FLUX_COUNT,) or flux_max.shape != (FLUX_COUNT,):
        raise ValueError(f"expected ranges of {FLUX_COUNT} fluxes")
    order = np.argsort(predicted, kind="stable")
    predicted, error = predicted[order].astype(np.float64), (true - predicted)[order].astype(np.float64)
    groups = node_groups(predicted)
    low68, high68 = zip(*(_interval(error[group], 0.68) for group in groups), strict=True)
    low95, high95 = zip(*(_interval(error[group], 0.95) for group in groups), strict=True)
    table = IntervalTable(
        redshift=[float(np.median(predicted[group])) for group in groups],
        lower95=list(low95),
        lower68=list(low68),
        upper68=list(high68),
        upper95=list(high95),
    )
    return Calibration(
        flux_min=[float(value) for value in flux_min],
        flux_max=[float(value) for value in flux_max],
        brightness_edges=[],
        intervals={"survey": [table]},
    )


def node_groups(predicted: Column) -> list[slice]:
    """Cut ascending predictions into runs that are wide and full enough.

    Equal steps resolve the crowded redshifts and the least count widens the bins of the sparse ends; equal counts
    would put all of z > 0.37, where the bias is steepest, behind a single node.

    Parameters
    ----------
    predicted : ndarray, shape (n,)
        Ascending.

    Returns
    -------
    list of slice
        At least one; together all of `predicted`, and no value is in two of them.
    """
    starts = [0]
    while True:
        wide = int(np.searchsorted(predicted, predicted[starts[-1]] + NODE_WIDTH))
        stop = max(wide, starts[-1] + NODE_GALAXIES)
        if stop >= len(predicted):
            break
        # Equal predictions stay together, so that the medians of the groups increase.
        stop = int(np.searchsorted(predicted, predicted[stop - 1], side="right"))
        if len(predicted) - stop < NODE_GALAXIES:
            break
        starts.append(stop)
    return [slice(start, stop) for start, stop in zip(starts, [*starts[1:], len(predicted)], strict=True)]


def coverage(calibration: Calibration, predicted: Column, true: Column) -> tuple[float, float]:
    """Return the fractions of galaxies whose true redshift lies in the 68 and in the 95% interval."""
    held = []
    (table,) = calibration.intervals["survey"]
    for lower, upper in ((table.lower68, table.upper68), (table.lower95, table.upper95)):
        low = predicted + np.interp(predicted, table.redshift, lower)
        high = predicted + np.interp(predicted, table.redshift, upper)
        held.append(float(((low <= true) & (true <= high)).mean()))
    return held[0], held[1]


def _interval(error: NDArray[np.float64], level: float) -> tuple[float, float]:
    """Return the finite-sample quantiles that leave at most (1 - level) / 2 of the errors beyond each end."""
    ascending = np.sort(error)
    # The rank ceil((n + 1)(1 - a/2)) of n errors, not the plain quantile, is what guarantees the level.
    rank = math.ceil((len(error) + 1) * (1 + level) / 2 - _ROUNDING)
    beyond = max(len(error) - rank, 0)
    return min(float(ascending[beyond]), 0.0), max(float(ascending[len(error) - 1 - beyond]), 0.0)
