"""Checks whether a spectrum can be used. Imports numpy alone."""

import enum
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gaia_redshift.spectra.grid import DR3, FloatArray, Grid
from gaia_redshift.spectra.units import FROM_CALIBRATED

PLAUSIBLE_PEAK = (1e-3, 1e6)
"""Smallest and largest plausible peak of a spectrum in e-/s per sample (at Gaia's limit about 0.1, for a G = 5 star
about 1e6). Outside it the fluxes are almost certainly in another unit, such as W m-2 nm-1."""

_CALIBRATED_PEAK = 1e-9
"""Peaks below it are plausible for fluxes in W m-2 nm-1 or W m-2 Hz-1."""


class Unusable(enum.IntEnum):
    """Why a spectrum of the right length cannot be used; ``USABLE`` is zero."""

    USABLE = 0
    NOT_FINITE = 1
    CONSTANT = 2
    IMPLAUSIBLE_UNITS = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """The reason why a row cannot be predicted: a documented code and a sentence."""

    code: str
    message: str


def validate(flux: ArrayLike, grid: Grid = DR3) -> NDArray[np.uint8]:
    """Check each spectrum.

    Parameters
    ----------
    flux : array_like, shape (n, samples)
        In e-/s per sample.
    grid : Grid

    Returns
    -------
    ndarray of uint8, shape (n,)
        A member of `Unusable` per spectrum, zero if it can be used.

    Raises
    ------
    ValueError
        If the shape is different.
    """
    values = np.asarray(flux, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != grid.samples:
        raise ValueError(f"expected spectra of shape (n, {grid.samples}), not {values.shape}")
    low, high = values.min(axis=1), values.max(axis=1)
    peak = np.maximum(np.abs(low), np.abs(high))
    smallest, largest = PLAUSIBLE_PEAK
    reason = np.zeros(len(values), dtype=np.uint8)
    if ((low < high) & (peak >= smallest) & (peak <= largest)).all():  # false for values that are not finite
        return reason
    reason[(peak < smallest) | (peak > largest)] = Unusable.IMPLAUSIBLE_UNITS
    reason[low == high] = Unusable.CONSTANT
    reason[~(np.isfinite(low) & np.isfinite(high))] = Unusable.NOT_FINITE
    return reason


def describe(flux: FloatArray, reason: int) -> Problem:
    """Return the problem of one spectrum, shape (samples,), which is unusable for `reason`, a member of `Unusable`."""
    if reason == Unusable.NOT_FINITE:
        position = int(np.flatnonzero(~np.isfinite(flux))[0])
        return Problem("not_finite", f"flux[{position}] is {flux[position]}: every flux must be finite")
    if reason == Unusable.CONSTANT:
        return Problem("constant_spectrum", f"all {len(flux)} fluxes are {flux[0]:g}: this is not a spectrum")
    peak = float(np.abs(flux).max())
    smallest, largest = PLAUSIBLE_PEAK
    return Problem(
        "implausible_units",
        f"the largest flux is {peak:.3g}, outside {smallest:g} to {largest:g}: are these e-/s per sample? "
        f"{FROM_CALIBRATED if peak < _CALIBRATED_PEAK else ''}".rstrip(),
    )
