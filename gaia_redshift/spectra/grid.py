"""Sample grids of Gaia BP/RP spectra by name: positions, truncation, assembly. Imports numpy alone.

Gaia's SMSgen samples the internally calibrated mean spectrum of each photometer at positions that are uniform in
pseudo-wavelength and ordered blue to red. The low-signal edges are dropped, and what is left of BP and RP,
concatenated, is what a model reads (Kiraleos 2023, section 3.1; Gaia DR3 documentation, SMSgen). Fluxes are in e-/s per
sample. Every bundle names its grid; another release of Gaia is another entry of `GRIDS`.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Band:
    """One photometer of a grid.

    Attributes
    ----------
    name : {"BP", "RP"}
    samples : int
        Of a whole spectrum, blue to red.
    kept : slice
        Which of them a model reads.
    coefficients : int
        Of the archive's spectrum in its basis functions.
    pixels : float
        Width of a sample in pixels: what turns e-/s per pixel into e-/s per sample.
    """

    name: Literal["BP", "RP"]
    samples: int
    kept: slice
    coefficients: int
    pixels: float

    @property
    def count(self) -> int:
        """Number of samples that a model reads."""
        return int(self.kept.stop - self.kept.start)

    @property
    def lengths(self) -> tuple[int, int]:
        """Lengths that an array of samples may have: truncated, or whole."""
        return self.count, self.samples

    def truncate(self, flux: ArrayLike) -> FloatArray:
        """Drop the low-signal edges.

        Parameters
        ----------
        flux : array_like, shape (..., samples) or already (..., count)
            e-/s per sample, blue to red.

        Returns
        -------
        ndarray of float32, shape (..., count)

        Raises
        ------
        ValueError
            If the last axis has any other length.
        """
        values = np.asarray(flux, dtype=np.float32)
        length = values.shape[-1] if values.ndim else 0
        if length == self.samples:
            return values[..., self.kept]
        if length == self.count:
            return values
        raise ValueError(f"{self.name} needs {self.count} samples, or {self.samples} before truncation, not {length}")


@dataclass(frozen=True, slots=True)
class Positions:
    """All sample positions of a grid, those of BP and then those of RP, each blue to red; arrays of one length."""

    band: NDArray[np.str_]
    index: NDArray[np.int64]
    pseudo_wavelength: NDArray[np.float64]
    """Position u in pixels of the internal reference system; decreases with wavelength in BP."""
    wavelength_nm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    """Which samples a model reads."""


@dataclass(frozen=True)
class Grid:
    """Where the spectra of a release are sampled.

    Attributes
    ----------
    name : str
        With a version; every model's manifest repeats it.
    release : str
        Of Gaia.
    bp, rp : Band
    file : Path
        The positions as CSV: band, index, pseudo_wavelength, wavelength_nm.
    """

    name: str
    release: str
    bp: Band
    rp: Band
    file: Path

    @property
    def samples(self) -> int:
        """Number of samples that a model reads."""
        return self.bp.count + self.rp.count

    @property
    def untruncated(self) -> int:
        """Number of samples of both photometers before truncation."""
        return self.bp.samples + self.rp.samples

    @property
    def lengths(self) -> dict[str, tuple[int, int]]:
        """Lengths that the arrays ``flux``, ``bp`` and ``rp`` may have: truncated, or whole."""
        return {"flux": (self.samples, self.untruncated), "bp": self.bp.lengths, "rp": self.rp.lengths}

    @cached_property
    def positions(self) -> Positions:
        """The positions of all samples, read once from `file`."""
        table = np.genfromtxt(self.file, delimiter=",", names=True, dtype=None, encoding="ascii", comments="#")
        band, index = table["band"], table["index"]
        first = np.where(band == "BP", self.bp.kept.start, self.rp.kept.start)
        stop = np.where(band == "BP", self.bp.kept.stop, self.rp.kept.stop)
        kept = (index >= first) & (index < stop)
        return Positions(band, index, table["pseudo_wavelength"], table["wavelength_nm"], kept)

    @cached_property
    def pixels(self) -> FloatArray:
        """Width in pixels of each sample that a model reads, shape (samples,): BP, then RP."""
        return np.repeat(np.array([self.bp.pixels, self.rp.pixels], np.float32), [self.bp.count, self.rp.count])

    @cached_property
    def wavelength_nm(self) -> NDArray[np.float64]:
        """Wavelengths of the samples that a model reads, in nm, shape (samples,): BP, then RP."""
        return self.positions.wavelength_nm[self.positions.kept]

    def assemble(self, bp: ArrayLike, rp: ArrayLike) -> FloatArray:
        """Truncate where needed and concatenate BP and RP spectra.

        Parameters
        ----------
        bp, rp : array_like, shape (..., samples of the band), truncated or not
            e-/s per sample, blue to red; the leading axes of both must agree.

        Returns
        -------
        ndarray of float32, shape (..., samples)

        Raises
        ------
        ValueError
            If a length is wrong or the leading axes differ.
        """
        blue, red = self.bp.truncate(bp), self.rp.truncate(rp)
        if blue.shape[:-1] != red.shape[:-1]:
            raise ValueError(f"BP holds {blue.shape[:-1]} spectra and RP {red.shape[:-1]}: they must agree")
        return np.concatenate([blue, red], axis=-1)

    def whole(self, flux: FloatArray) -> FloatArray:
        """Return fluxes of shape (n, samples) from those, or from (n, untruncated) by truncating both photometers."""
        if flux.shape[1] == self.samples:
            return flux
        return self.assemble(flux[:, : self.bp.samples], flux[:, self.bp.samples :])


DR3 = Grid(
    name="smsgen-dr3-1",
    release="Gaia DR3",
    bp=Band("BP", samples=120, kept=slice(34, 114), coefficients=55, pixels=0.33342),
    rp=Band("RP", samples=120, kept=slice(4, 110), coefficients=55, pixels=0.35680),
    file=Path(__file__).parent / "data" / "smsgen_grid.csv",
)

GRIDS = {grid.name: grid for grid in (DR3,)}
"""Every grid that this version knows, by name."""


def narrow(values: NDArray[np.generic]) -> FloatArray:
    """Return float32; a number beyond its range becomes infinite, and its row is refused as any unusable spectrum."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)
