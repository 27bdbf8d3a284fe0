"""Network output -> redshift, interval, quality flags. Imports `spectra` and `bundle` of the project."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.bundle import Bundle
from app.spectra import FloatArray, Problem

QualityFlag = Literal["near_range_edge", "outside_training_range"]

EDGE_WIDTH = 0.02
"""Redshifts this close to an end of the training range are pulled inwards (UGC distrusts the same ends)."""

DECIMALS = 6
"""Redshifts are rounded to 1e-6, a thousandth of the best scatter, so that every format gives the same number."""


@dataclass(frozen=True, slots=True)
class Redshifts:
    """Predictions of n spectra; every array has shape (n,), NaN where a row could not be predicted."""

    redshift: NDArray[np.float64]
    redshift_lower: NDArray[np.float64]
    redshift_upper: NDArray[np.float64]
    redshift_lower95: NDArray[np.float64]
    redshift_upper95: NDArray[np.float64]
    quality: Sequence[Sequence[QualityFlag]]
    """Flags of each row, possibly none."""

    def part(self, rows: slice) -> "Redshifts":
        """Return some of the rows."""
        return Redshifts(
            self.redshift[rows],
            self.redshift_lower[rows],
            self.redshift_upper[rows],
            self.redshift_lower95[rows],
            self.redshift_upper95[rows],
            self.quality[rows],
        )

    INTERVALS = ("redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What leaves the pipeline: one row per input row, in input order."""

    redshifts: Redshifts
    source_id: Sequence[str | None] | None
    problems: dict[int, Problem]

    def __len__(self) -> int:
        return len(self.redshifts.redshift)


def interpret(output: FloatArray, flux: FloatArray, usable: NDArray[np.bool_], bundle: Bundle) -> Redshifts:
    """Turn the network's output into redshifts with calibrated intervals and quality flags.

    Parameters
    ----------
    output : ndarray, shape (m, 1)
        The network's redshifts of the m usable spectra.
    flux : ndarray, shape (n, 186)
        All spectra in e-/s per sample.
    usable : ndarray of bool, shape (n,)
        Which spectra the network saw.
    bundle : Bundle
        Where the calibration and the training range come from.

    Returns
    -------
    Redshifts
        Rows that are not usable hold NaN and no flags.

    Notes
    -----
    Intervals are split-conformal: quantiles of the validation part's residuals near the predicted redshift
    (Lei et al. 2018, JASA 113, 1094). A lower limit can lie slightly below zero; flags never change the number.
    """
    redshift = np.full(len(usable), np.nan)
    redshift[usable] = np.round(output[:, 0].astype(np.float64), DECIMALS)

    def bound(name: str) -> NDArray[np.float64]:
        limit: NDArray[np.float64] = redshift + np.interp(redshift, bundle.redshift_nodes, bundle.offsets[name])
        return limit.round(DECIMALS)

    low, high = bundle.manifest.redshift_range
    edge = (redshift < low + EDGE_WIDTH) | (redshift > high - EDGE_WIDTH)
    outside = np.zeros(len(usable), np.bool_)
    seen = flux[usable]
    outside[usable] = ((seen < bundle.flux_low) | (seen > bundle.flux_high)).any(axis=1)
    return Redshifts(
        redshift,
        bound("lower68"),
        bound("upper68"),
        bound("lower95"),
        bound("upper95"),
        _flags({"near_range_edge": edge, "outside_training_range": outside}),
    )


def _flags(masks: dict[QualityFlag, NDArray[np.bool_]]) -> list[list[QualityFlag]]:
    """Gather masks of shape (n,) into the list of flags of each row."""
    quality: list[list[QualityFlag]] = [[] for _ in range(len(next(iter(masks.values()))))]
    for flag, mask in masks.items():
        for row in np.flatnonzero(mask):
            quality[row].append(flag)
    return quality
