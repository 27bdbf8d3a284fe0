"""Correction of spectra for the Milky Way's extinction. Imports numpy alone.

The law is that of Gordon et al. 2023 (ApJ 950, 86) with R(V) = 3.1, as in the simulation. An extended galaxy's light is
smeared along scan, so a sample also holds light of other wavelengths. The extinction of a sample is therefore not the
law at its wavelength, but that of the mean spectrum of simulated galaxies, 3.6 mag per unit of E(B-V) at 366 nm, where
the law has 4.8 (training/simulation/build/sample_extinction.py).
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra.checks import Problem
from gaia_redshift.spectra.grid import FloatArray, Grid

LARGEST_EBV = 1.0
"""Largest E(B-V) that is corrected for, in mag: behind more dust, the blue light is lost in noise."""

TRAINING_EBV = 0.0323
"""Mean E(B-V) in front of the training galaxies of a model that does not give another, in mag: that of SDSS's."""

EBV = "E(B-V) of the Milky Way's dust in front, in mag, from 0 to 1, for which the flux is corrected; none if absent"
"""Description of the column or field."""


_LONG = 10**15
"""Whole numbers from here on are not shown: those of hundreds of digits cannot be floats."""


@cache
def _per_ebv(file: Path) -> NDArray[np.float64]:
    """Return extinction per E(B-V) and per its square, shape (2, samples)."""
    return np.loadtxt(file, delimiter=",", skiprows=1, usecols=(2, 3), ndmin=2).T


def attenuation(ebv: NDArray[np.floating], grid: Grid) -> NDArray[np.float64]:
    """Return the extinction of each sample.

    Parameters
    ----------
    ebv : ndarray, shape (n,)
        E(B-V), mag; differences of it may be negative.
    grid : Grid

    Returns
    -------
    ndarray, shape (n, samples)
        In mag.

    Raises
    ------
    ValueError
        If it is not known for the grid.
    """
    if grid.extinction is None:
        raise ValueError(f"the extinction of {grid.release} spectra on {grid.name} is not part of this version")
    linear, square = _per_ebv(grid.extinction)
    excess = np.asarray(ebv, np.float64)[:, None]
    return np.asarray(excess * linear + excess**2 * square)


def deredden(
    flux: FloatArray, ebv: NDArray[np.floating], grid: Grid, left: float = TRAINING_EBV
) -> tuple[FloatArray, FloatArray]:
    """Correct spectra for extinction, except for the dust that a model expects.

    Parameters
    ----------
    flux : ndarray of float32, shape (n, samples)
        In e-/s per sample.
    ebv : ndarray, shape (n,)
        E(B-V) in front of each, mag.
    grid : Grid
    left : float
        E(B-V) that is left in the corrected spectra, mag.

    Returns
    -------
    corrected : ndarray of float32, shape (n, samples)
    noise : ndarray of float32, shape (n, 1)
        By how much the correction amplified the noise: the root mean square of its factors over the samples.

    Raises
    ------
    ValueError
        As `attenuation`.
    """
    factor = 10 ** (0.4 * attenuation(np.asarray(ebv, np.float64) - left, grid))
    noise = np.sqrt(np.mean(factor**2, axis=1, keepdims=True))
    return (flux * factor).astype(np.float32), noise.astype(np.float32)


def wrong_ebv(ebv: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return a mask of the values that are no E(B-V) from 0 to `LARGEST_EBV`, shape (n,); NaN, none given, is none."""
    return np.asarray((ebv < 0) | (ebv > LARGEST_EBV))


def ebv_problem(value: object) -> Problem:
    """Return the problem of a row whose E(B-V) is wrong, whatever type that has."""
    if isinstance(value, str):
        shown = repr(value[:40])
    elif isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number):
        shown = f"of the type {type(value).__name__}"
    else:
        shown = f"{value:g}" if not isinstance(value, int) or abs(value) < _LONG else "too large"
    return Problem("invalid_ebv", f"ebv is {shown}: it must be a number from 0 to {LARGEST_EBV:g} mag")
