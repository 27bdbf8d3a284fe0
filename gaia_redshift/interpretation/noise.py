"""Checks that a spectrum's noise fits its brightness. Imports `spectra` of the project; numpy.

Noise grows with the square root of the flux. The noise of one transit is known, so the noise of a mean spectrum gives
the number of transits that were averaged. In a wrong unit, brightness and noise are scaled by the same factor, and the
number comes out as one that no source has.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra import Grid

PHOTON_VARIANCE = 1.15
"""Variance per unit flux in (e-/s)^2 s per pixel; 1 for photon noise alone."""
BACKGROUND_VARIANCE = {"BP": 77.0, "RP": 67.0}
"""Variance of sky, read-out and neighbouring sources, in (e-/s)^2 s per pixel."""
EXPOSURE_S = 4.42
"""Exposure time of one transit, in s. The three are the simulator's, the first two from real spectra; a test compares
them."""

LEFT = 0.664
"""Share of that variance left after subtracting the principal components of galaxies, median of simulated galaxies."""

TRANSITS = (10, 180)
"""Accepted numbers of transits for a Gaia DR3 spectrum; its sources have 10 to 160, with a median of 42."""


class Expected(NamedTuple):
    """Mean over the samples of the variance of one transit, as a linear function of the fluxes."""

    weights: NDArray[np.float64]
    """Coefficients of the fluxes, shape (samples,)."""
    constant: float
    """Constant term, in (e-/s per sample)^2."""


def of_one_transit(grid: Grid) -> Expected:
    """Return the expected variance of one transit for spectra of a grid."""
    pixels = grid.pixels.astype(np.float64)
    background = np.repeat(
        [BACKGROUND_VARIANCE[band.name] for band in (grid.bp, grid.rp)], [grid.bp.count, grid.rp.count]
    )
    weights = PHOTON_VARIANCE * pixels / EXPOSURE_S / grid.samples
    return Expected(weights, float(np.mean(pixels**2 * background) / EXPOSURE_S))


SHARE = 0.2
"""Fraction of flagged spectra above which a table is suspected; one spectrum in a hundred is a false alarm."""


def in_another_unit(mismatched: int, spectra: int) -> bool:
    """Return whether so many spectra of a table are flagged that its fluxes are likely in another unit."""
    return mismatched > max(1, SHARE * spectra)
