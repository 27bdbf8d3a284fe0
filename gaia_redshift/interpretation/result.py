"""Network output -> redshift, interval, density, quality flags. Imports `bundle` and what lies below."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import Bundle
from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import ENDS
from gaia_redshift.interpretation.density import invert, posterior
from gaia_redshift.interpretation.prior import Prior, PriorTable
from gaia_redshift.interpretation.quality import QualityFlag
from gaia_redshift.spectra import FloatArray, Problem

DECIMALS = 6
"""Redshifts and densities are rounded to 1e-6, for redshifts a thousandth of the best scatter, so that every format
gives the same number."""

_BLOCK_ROWS = 128
"""Spectra worked on at a time: what stays in the processor's cache is twice as fast, and matrix products of more rows
are shared out by NumPy among threads of its own, which spin and get in the way of the network's."""


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

    def part(self, rows: slice) -> "Redshifts":
        """Return some of the rows."""
        return Redshifts(
            self.redshift[rows],
            self.redshift_lower[rows],
            self.redshift_upper[rows],
            self.redshift_lower95[rows],
            self.redshift_upper95[rows],
            self.quality[rows],
            None if self.pdf is None else self.pdf[rows],
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


@dataclass(frozen=True, slots=True)
class _Block:
    """What is made of some usable spectra."""

    redshift: NDArray[np.float64]
    ends: NDArray[np.float64]
    """Shape (m, 4), in the order of `ENDS`."""
    pdf: NDArray[np.float64]
    """Shape (m, bins), or (m, 0) where nobody asked."""
    flags: NDArray[np.bool_]
    """Shape (m, flags), in the order of `Bundle.flags`."""


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
        Where the calibration, the bins and the flags come from.
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
    whole = bool(usable.all())
    seen = flux if whole else flux[usable]
    grid = bundle.bins
    blocks = []
    for start in range(0, max(len(seen), 1), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        if grid is None:
            blocks.append(_of_point(output[rows], seen[rows], bundle))
        else:
            blocks.append(_of_density(output[rows], seen[rows], bundle, grid, asked))

    def gather(name: str) -> NDArray[np.float64]:
        pieces = [getattr(block, name) for block in blocks]
        values = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        if whole:
            return values
        everywhere = np.full((len(usable), *values.shape[1:]), np.nan)
        everywhere[usable] = values
        return everywhere

    ends = dict(zip(ENDS, gather("ends").T, strict=True))
    return Redshifts(
        gather("redshift"),
        ends["lower68"],
        ends["upper68"],
        ends["lower95"],
        ends["upper95"],
        _quality(np.flatnonzero(usable), np.concatenate([block.flags for block in blocks]), bundle, len(usable)),
        gather("pdf") if asked.pdf else None,
    )


def _of_point(output: FloatArray, flux: FloatArray, bundle: Bundle) -> _Block:
    redshift = output[:, 0].astype(np.float64).round(DECIMALS)
    ends = (redshift + bundle.intervals.at("survey", flux, redshift)).round(DECIMALS)
    masks = bundle.quality.masks(flux, redshift)
    return _Block(redshift, ends.T, np.empty((len(flux), 0)), _columns(masks, bundle))


def _of_density(output: FloatArray, flux: FloatArray, bundle: Bundle, grid: Bins, asked: Asked) -> _Block:
    bins = len(grid.widths)
    densities = posterior(output[:, :bins], grid.prior(asked.prior), grid.prior_train)
    cumulative = np.cumsum(densities, axis=1)
    redshift = invert(cumulative, grid.edges, 0.5).round(DECIMALS)
    calibrated_for = "survey" if isinstance(asked.prior, PriorTable) else asked.prior
    levels = bundle.intervals.at(calibrated_for, flux, redshift)
    ends = invert(cumulative, grid.edges, levels).round(DECIMALS).T
    pdf = (densities / grid.widths).round(DECIMALS) if asked.pdf else np.empty((len(flux), 0))
    masks = bundle.quality.masks(flux, redshift, densities, output[:, bins:])
    return _Block(redshift, ends, pdf, _columns(masks, bundle))


def _columns(masks: Mapping[QualityFlag, NDArray[np.bool_]], bundle: Bundle) -> NDArray[np.bool_]:
    return np.array([masks[flag] for flag in bundle.flags]).T


def _quality(rows: NDArray[np.intp], flags: NDArray[np.bool_], bundle: Bundle, total: int) -> list[list[QualityFlag]]:
    """Write masks of shape (m, flags) for the given rows as the list of flags of each of all rows."""
    quality: list[list[QualityFlag]] = [[] for _ in range(total)]
    if not flags.any():
        return quality
    for position, flag in zip(*np.nonzero(flags), strict=True):
        quality[rows[position]].append(bundle.flags[flag])
    return quality
