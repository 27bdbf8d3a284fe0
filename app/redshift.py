"""Network output -> redshift, interval, density, quality flags. Imports `bundle`, `density`, `prior` and `spectra`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.bundle import BinGrid, Bundle
from app.calibration import ENDS
from app.density import invert, posterior
from app.prior import Prior, PriorTable
from app.spectra import FloatArray, Problem

QualityFlag = Literal[
    "low_signal",
    "outside_training_range",
    "out_of_distribution",
    "bimodal",
    "near_range_edge",
    "missing_band",
    "stellar_like",
]

EDGE_WIDTH = 0.02
"""Redshifts this close to an end of the training range are pulled inwards (UGC distrusts the same ends)."""

DECIMALS = 6
"""Redshifts and densities are rounded to 1e-6, for redshifts a thousandth of the best scatter, so that every format
gives the same number."""

_BLOCK_ROWS = 1024
"""Densities worked on at a time: what stays in the processor's cache is twice as fast."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks of a model besides the redshift."""

    prior: Prior = "survey"
    pdf: bool = False


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
    pdf: NDArray[np.float64] | None = None
    """Probability density per bin of redshift, shape (n, bins), where it was asked for."""

    INTERVALS = ("redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95")


@dataclass(frozen=True, slots=True)
class Predictions:
    """What leaves the pipeline: one row per input row, in input order."""

    redshifts: Redshifts
    source_id: Sequence[str | None] | None
    problems: dict[int, Problem]

    def __len__(self) -> int:
        return len(self.redshifts.redshift)


@dataclass(frozen=True, slots=True)
class _Estimates:
    """What the calibration makes of the m usable spectra."""

    redshift: NDArray[np.float64]
    ends: NDArray[np.float64]
    """Shape (4, m), in the order of `ENDS`."""
    pdf: NDArray[np.float64] | None = None


def interpret(
    output: FloatArray, flux: FloatArray, usable: NDArray[np.bool_], bundle: Bundle, asked: Asked
) -> Redshifts:
    """Turn the network's output into redshifts with calibrated intervals and quality flags.

    Parameters
    ----------
    output : ndarray, shape (m, width)
        What the network gives for the m usable spectra, in the columns of `Bundle.output_widths`.
    flux : ndarray, shape (n, 186)
        All spectra in e-/s per sample.
    usable : ndarray of bool, shape (n,)
        Which spectra the network saw.
    bundle : Bundle
        Where the calibration, the bins and the training range come from.
    asked : Asked
        A point model has no use for it.

    Returns
    -------
    Redshifts
        Rows that are not usable hold NaN and no flags.

    Notes
    -----
    Intervals are split-conformal: quantiles of the validation part near the predicted redshift and brightness (Lei et
    al. 2018, JASA 113, 1094), of its residuals for a point model, of p(< z true) for a density. The redshift of a
    density is its median. A point model's lower limit can lie slightly below zero; flags never change the number.
    """
    seen = flux if usable.all() else flux[usable]
    grid = bundle.grid
    found = _of_point(output, seen, bundle) if grid is None else _of_density(output, seen, bundle, grid, asked)

    def everywhere(values: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = np.full((len(usable), *values.shape[1:]), np.nan)
        rows[usable] = values
        return rows

    redshift = everywhere(found.redshift)
    low, high = bundle.manifest.redshift_range
    edge = (redshift < low + EDGE_WIDTH) | (redshift > high - EDGE_WIDTH)
    outside = np.zeros(len(usable), np.bool_)
    outside[usable] = ((seen < bundle.flux_low) | (seen > bundle.flux_high)).any(axis=1)
    ends = {name: everywhere(values) for name, values in zip(ENDS, found.ends, strict=True)}
    return Redshifts(
        redshift,
        ends["lower68"],
        ends["upper68"],
        ends["lower95"],
        ends["upper95"],
        _flags({"near_range_edge": edge, "outside_training_range": outside}),
        None if found.pdf is None else everywhere(found.pdf),
    )


def _of_point(output: FloatArray, flux: FloatArray, bundle: Bundle) -> _Estimates:
    redshift = output[:, 0].astype(np.float64).round(DECIMALS)
    return _Estimates(redshift, (redshift + bundle.intervals.at("survey", flux, redshift)).round(DECIMALS))


def _of_density(output: FloatArray, flux: FloatArray, bundle: Bundle, grid: BinGrid, asked: Asked) -> _Estimates:
    prior = grid.prior(asked.prior)
    calibrated_for = "survey" if isinstance(asked.prior, PriorTable) else asked.prior
    redshift, ends = np.empty(len(output)), np.empty((len(ENDS), len(output)))
    pdf = np.empty((len(output), len(grid.widths))) if asked.pdf else None
    for start in range(0, len(output), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        densities = posterior(output[rows, : len(grid.widths)], prior, grid.prior_train)
        cumulative = np.cumsum(densities, axis=1)
        redshift[rows] = invert(cumulative, grid.edges, 0.5).round(DECIMALS)
        levels = bundle.intervals.at(calibrated_for, flux[rows], redshift[rows])
        for end, level in enumerate(levels):
            ends[end, rows] = invert(cumulative, grid.edges, level).round(DECIMALS)
        if pdf is not None:
            pdf[rows] = (densities / grid.widths).round(DECIMALS)
    return _Estimates(redshift, ends, pdf)


def _flags(masks: dict[QualityFlag, NDArray[np.bool_]]) -> list[list[QualityFlag]]:
    """Gather masks of shape (n,) into the list of flags of each row."""
    quality: list[list[QualityFlag]] = [[] for _ in range(len(next(iter(masks.values()))))]
    for flag, mask in masks.items():
        for row in np.flatnonzero(mask):
            quality[row].append(flag)
    return quality
