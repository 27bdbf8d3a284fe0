"""Sample grids of Gaia BP/RP spectra by name: positions, truncation, assembly. Imports numpy alone.

Gaia's SMSgen samples the internally calibrated mean spectrum of each photometer at positions that are uniform in
pseudo-wavelength and ordered blue to red. A model reads BP and RP without their low-signal edges, concatenated
(Kiraleos 2023, section 3.1; Gaia DR3 documentation, SMSgen). Fluxes are in e-/s per sample. Every bundle names its
grid; each release of Gaia has its own entry in `GRIDS`.
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
        Number of samples of the untruncated spectrum.
    kept : slice
        The samples that a model reads.
    coefficients : int
        Number of coefficients of the archive's spectrum.
    pixels : float
        Width of a sample in pixels, the factor from e-/s per pixel to e-/s per sample.
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
        """Accepted lengths of an array of samples: truncated, or untruncated."""
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
            If the last axis has a different length.
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
    """All sample positions of a grid, BP and then RP, each blue to red, as arrays of the same length."""

    band: NDArray[np.str_]
    index: NDArray[np.int64]
    pseudo_wavelength: NDArray[np.float64]
    """Position u in pixels of the internal reference system; decreases with wavelength in BP."""
    wavelength_nm: NDArray[np.float64]
    kept: NDArray[np.bool_]
    """Mask of the samples that a model reads."""


@dataclass(frozen=True)
class Grid:
    """The sample positions of a release's spectra.

    Attributes
    ----------
    name : str
        Name with a version, as in every model's manifest.
    release : str
        Release of Gaia.
    bp, rp : Band
    file : Path
        CSV file of the positions: band, index, pseudo_wavelength, wavelength_nm.
    extinction : Path, optional
        CSV file of the Milky Way's extinction of the samples that a model reads: band, index, per_ebv, per_ebv2.
    """

    name: str
    release: str
    bp: Band
    rp: Band
    file: Path
    extinction: Path | None = None

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
        """Accepted lengths of the arrays ``flux``, ``bp`` and ``rp``: truncated, or untruncated."""
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
        """Return fluxes of shape (n, samples); fluxes of shape (n, untruncated) are truncated."""
        if flux.shape[1] == self.samples:
            return flux
        return self.assemble(flux[:, : self.bp.samples], flux[:, self.bp.samples :])


DR3 = Grid(
    name="smsgen-dr3-1",
    release="Gaia DR3",
    bp=Band("BP", samples=120, kept=slice(34, 114), coefficients=55, pixels=0.33342),
    rp=Band("RP", samples=120, kept=slice(4, 110), coefficients=55, pixels=0.35680),
    file=Path(__file__).parent / "data" / "smsgen_grid.csv",
    extinction=Path(__file__).parent / "data" / "smsgen_extinction.csv",
)

GRIDS = {grid.name: grid for grid in (DR3,)}
"""The grids of this version, by name."""


def narrow(values: NDArray[np.generic]) -> FloatArray:
    """Return float32; a number beyond its range becomes infinite, so that its row is unusable."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32, copy=False)
