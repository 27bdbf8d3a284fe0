"""The 186-sample grid of Gaia BP/RP spectra: truncate, assemble, validate. Imports numpy alone.

Gaia's SMSgen samples the internally calibrated mean spectrum of each photometer at 120 positions, uniform in
pseudo-wavelength and ordered blue to red. The low-signal edges are dropped: the first 34 and last 6 of BP, the
first 4 and last 10 of RP. The remaining 80 BP + 106 RP samples, concatenated, are what every model here reads
(Kiraleos 2023, section 3.1; Gaia DR3 documentation, SMSgen). Fluxes are in e-/s per sample.
"""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
Band = Literal["BP", "RP"]

GRID_FILE = Path(__file__).parent / "data" / "smsgen_grid.csv"
GRID_ID = "smsgen-dr3-1"
"""Names the version of the grid file; every model's manifest repeats it."""

BAND_SAMPLES = 120
BP_KEPT = slice(34, 114)
RP_KEPT = slice(4, 110)
BP_COUNT = BP_KEPT.stop - BP_KEPT.start
RP_COUNT = RP_KEPT.stop - RP_KEPT.start
FLUX_COUNT = BP_COUNT + RP_COUNT

PLAUSIBLE_PEAK = (1e-3, 1e6)
"""Smallest and largest believable peak of a spectrum in e-/s per sample (Gaia's limit is about 0.1, a G = 5
star about 1e6). Outside it the numbers are almost surely in other units, such as W m-2 nm-1."""


@dataclass(frozen=True, slots=True)
class Grid:
    """All 240 sample positions, 120 of BP and then 120 of RP, each blue to red; arrays of shape (240,)."""

    band: NDArray[np.str_]
    index: NDArray[np.int64]
    pseudo_wavelength: NDArray[np.float64]
    """Position u in pixels of the internal reference system; decreases with wavelength in BP."""
    wavelength_nm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    """Which 186 samples a model reads."""


@cache
def grid() -> Grid:
    """Return the sample grid, read once from ``app/data/smsgen_grid.csv``."""
    table = np.genfromtxt(GRID_FILE, delimiter=",", names=True, dtype=None, encoding="ascii", comments="#")
    band, index = table["band"], table["index"]
    first = np.where(band == "BP", BP_KEPT.start, RP_KEPT.start)
    stop = np.where(band == "BP", BP_KEPT.stop, RP_KEPT.stop)
    kept = (index >= first) & (index < stop)
    return Grid(band, index, table["pseudo_wavelength"], table["wavelength_nm"], kept)


def wavelength_nm() -> NDArray[np.float64]:
    """Return the wavelengths in nm of the 186 kept samples, shape (186,): 80 of BP, then 106 of RP."""
    samples = grid()
    return samples.wavelength_nm[samples.kept]


def truncate(band: Band, flux: ArrayLike) -> FloatArray:
    """Drop the low-signal edges of one photometer's spectra.

    Parameters
    ----------
    band : {"BP", "RP"}
        Which photometer.
    flux : array_like, shape (..., 120) or already (..., 80) for BP, (..., 106) for RP
        e-/s per sample, blue to red.

    Returns
    -------
    ndarray of float32, shape (..., 80) or (..., 106)

    Raises
    ------
    ValueError
        If the last axis has any other length.
    """
    values = np.asarray(flux, dtype=np.float32)
    kept, count = (BP_KEPT, BP_COUNT) if band == "BP" else (RP_KEPT, RP_COUNT)
    length = values.shape[-1] if values.ndim else 0
    if length == BAND_SAMPLES:
        return values[..., kept]
    if length == count:
        return values
    raise ValueError(f"{band} needs {count} samples, or {BAND_SAMPLES} before truncation, not {length}")


def assemble(bp: ArrayLike, rp: ArrayLike) -> FloatArray:
    """Truncate where needed and concatenate BP and RP spectra.

    Parameters
    ----------
    bp : array_like, shape (..., 80) or (..., 120)
    rp : array_like, shape (..., 106) or (..., 120)
        e-/s per sample, blue to red; the leading axes of both must agree.

    Returns
    -------
    ndarray of float32, shape (..., 186)

    Raises
    ------
    ValueError
        If a length is wrong or the leading axes differ.
    """
    blue, red = truncate("BP", bp), truncate("RP", rp)
    if blue.shape[:-1] != red.shape[:-1]:
        raise ValueError(f"BP holds {blue.shape[:-1]} spectra and RP {red.shape[:-1]}: they must agree")
    return np.concatenate([blue, red], axis=-1)


class Unusable(enum.IntEnum):
    """Why a spectrum of the right length cannot be used; ``USABLE`` is zero."""

    USABLE = 0
    NOT_FINITE = 1
    CONSTANT = 2
    IMPLAUSIBLE_UNITS = 3


def validate(flux: ArrayLike) -> NDArray[np.uint8]:
    """Say of each spectrum whether it can be used.

    Parameters
    ----------
    flux : array_like, shape (n, 186)
        e-/s per sample.

    Returns
    -------
    ndarray of uint8, shape (n,)
        A member of `Unusable` per spectrum, zero where nothing is wrong.

    Raises
    ------
    ValueError
        If the shape is not (n, 186).
    """
    values = np.asarray(flux, dtype=np.float32)
    if values.ndim != 2 or values.shape[1] != FLUX_COUNT:
        raise ValueError(f"expected spectra of shape (n, {FLUX_COUNT}), not {values.shape}")
    low, high = values.min(axis=1), values.max(axis=1)
    peak = np.maximum(np.abs(low), np.abs(high))
    smallest, largest = PLAUSIBLE_PEAK
    reason = np.zeros(len(values), dtype=np.uint8)
    if ((low < high) & (peak >= smallest) & (peak <= largest)).all():  # false for what is not finite
        return reason
    reason[(peak < smallest) | (peak > largest)] = Unusable.IMPLAUSIBLE_UNITS
    reason[low == high] = Unusable.CONSTANT
    reason[~(np.isfinite(low) & np.isfinite(high))] = Unusable.NOT_FINITE
    return reason


@dataclass(frozen=True, slots=True)
class Problem:
    """Why one row cannot be predicted: a documented code and a sentence."""

    code: str
    message: str


def describe(flux: FloatArray, reason: int) -> Problem:
    """Put into words why one spectrum, shape (186,), is unusable for `reason`, a member of `Unusable`."""
    if reason == Unusable.NOT_FINITE:
        position = int(np.flatnonzero(~np.isfinite(flux))[0])
        return Problem("not_finite", f"flux[{position}] is {flux[position]}: every flux must be finite")
    if reason == Unusable.CONSTANT:
        return Problem("constant_spectrum", f"all {FLUX_COUNT} fluxes are {flux[0]:g}: there is no spectrum")
    peak = float(np.abs(flux).max())
    smallest, largest = PLAUSIBLE_PEAK
    return Problem(
        "implausible_units",
        f"the largest flux is {peak:.3g}, outside {smallest:g} to {largest:g}: are these e-/s per sample?",
    )


@dataclass(frozen=True, slots=True)
class SpectrumBatch:
    """Spectra in memory, in input order; a row that cannot be used stays in its place with its reason."""

    flux: FloatArray
    """Shape (n, 186), e-/s per sample; rows named in `problems` hold anything."""
    source_id: Sequence[str | None] | None = None
    """One identifier per row, or None where the input gave none."""
    problems: Mapping[int, Problem] = field(default_factory=dict)
    """Row number, from zero, to why that row cannot be predicted."""

    def __len__(self) -> int:
        return len(self.flux)

    def checked(self) -> "SpectrumBatch":
        """Return the batch with the rows that `validate` refuses added to its problems."""
        reasons = validate(self.flux)
        if not reasons.any() and not self.problems:
            return self
        found = {int(row): describe(self.flux[row], int(reasons[row])) for row in np.flatnonzero(reasons)}
        return SpectrumBatch(self.flux, self.source_id, {**found, **self.problems})

    def usable(self) -> NDArray[np.bool_]:
        """Return which rows can be predicted, shape (n,)."""
        mask = np.ones(len(self), dtype=np.bool_)
        mask[list(self.problems)] = False
        return mask
