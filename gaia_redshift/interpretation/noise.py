"""Whether a spectrum's noise and its brightness belong together. Imports `spectra` of the project; numpy.

Noise goes as the root of the flux. What Gaia's detectors leave after one transit is known, and so the noise of a mean
spectrum tells how many transits it is the mean of. In another unit brightness and noise change alike, and it tells of a
number that no source has.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra import Grid

PHOTON_VARIANCE = 1.15
"""Variance per unit flux in (e-/s)^2 s per pixel, 1 for photons alone."""
BACKGROUND_VARIANCE = {"BP": 77.0, "RP": 67.0}
"""Of sky, read-out and neighbours, in (e-/s)^2 s per pixel."""
EXPOSURE_S = 4.42
"""Of one transit. All are the simulator's, which took the first two from real spectra; a test holds them equal."""

LEFT = 0.664
"""Part of that variance that the principal components of galaxies leave, the median of simulated galaxies."""

TRANSITS = (10, 180)
"""Numbers of transits that a spectrum of Gaia DR3 may tell of; its sources have 10 to 160, in the median 42."""


class Expected(NamedTuple):
    """Mean over the samples of the variance that one transit leaves, linear in the fluxes."""

    weights: NDArray[np.float64]
    """Of the fluxes, shape (samples,)."""
    constant: float
    """In (e-/s per sample)^2."""


def of_one_transit(grid: Grid) -> Expected:
    """Return what one transit leaves in spectra of a grid."""
    pixels = grid.pixels.astype(np.float64)
    background = np.repeat(
        [BACKGROUND_VARIANCE[band.name] for band in (grid.bp, grid.rp)], [grid.bp.count, grid.rp.count]
    )
    weights = PHOTON_VARIANCE * pixels / EXPOSURE_S / grid.samples
    return Expected(weights, float(np.mean(pixels**2 * background) / EXPOSURE_S))


SHARE = 0.2
"""Part of a table's spectra from which on the table is suspected: one in a hundred is a false alarm."""


def in_another_unit(mismatched: int, spectra: int) -> bool:
    """Say whether so many spectra of a table have the flag that its fluxes are likely in another unit."""
    return mismatched > max(1, SHARE * spectra)
