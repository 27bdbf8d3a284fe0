"""How a galaxy's size smears its spectra: the profile along scan of what Gaia's windows hold, over its scans.

Bulge and disc are sums of elliptical Gaussians (`sizes`), so is their profile along scan at any angle. Each Gaussian is
laid on the two nearest of fixed widths, with the light that the window holds across scan.
"""

import numpy as np

from training.simulation import constants, size_constants
from training.simulation.instrument import Band, FloatArray, SingleArray
from training.simulation.sizes import BULGE_PROFILE, DISC_PROFILE, Shapes


def scan_angles(count: int, rng: np.random.Generator) -> FloatArray:
    """Draw the angles between the major axis and the scans of each galaxy, shape (count, scans)."""
    return np.asarray(rng.uniform(0, np.pi, (count, size_constants.SCANS.value)))


def smear(shapes: Shapes, angle: FloatArray, band: Band) -> SingleArray:
    """Return each galaxy's light at each of the widths `constants.SMEAR_SIGMA_PX`, shape (n, widths).

    A row sums to the share of the light that a window without ends along scan would hold; a point source's is one.
    """
    blue = size_constants.BAND_NM.value[band] / constants.SDSS_EFFECTIVE_NM.value[2]
    unit = blue**size_constants.SIZE_WAVELENGTH.value / size_constants.PIXEL_ARCSEC.value
    weight = np.zeros((len(angle), len(constants.SMEAR_SIGMA_PX.value)))
    cosine, sine = np.cos(angle), np.sin(angle)
    for share, radius, ratio, profile in (
        (shapes.bulge_share, shapes.bulge_radius, shapes.bulge_axis_ratio, BULGE_PROFILE),
        (1 - shapes.bulge_share, shapes.disc_radius, shapes.disc_axis_ratio, DISC_PROFILE),
    ):
        major, minor = (radius * unit)[:, None] ** 2, (radius * unit * ratio)[:, None] ** 2
        along = major * cosine**2 + minor * sine**2
        across = major * sine**2 + minor * cosine**2
        both = (major - minor) * cosine * sine
        for sigma, part in zip(*profile, strict=True):
            held, narrowed = _inside(np.sqrt(across) * sigma)
            # Along scan a tilted ellipse is narrower where the window cuts it across scan.
            cut = sigma**2 * (along - both**2 / across * (1 - narrowed))
            _lay(weight, np.sqrt(cut), held * (share * part)[:, None])
    return np.asarray(weight / angle.shape[1], dtype=np.float32)


def _inside(sigma_px: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how much of Gaussians across scan the window holds, and the variance of that over theirs."""
    edge = (
        size_constants.WINDOW_ACROSS_ARCSEC.value / 2 / size_constants.PIXEL_ARCSEC.value / np.maximum(sigma_px, 1e-6)
    )
    edge = np.minimum(edge, 30.0)
    held = _error_function(edge / np.sqrt(2))
    return held, 1 - np.sqrt(2 / np.pi) * edge * np.exp(-(edge**2) / 2) / held


def _error_function(x: FloatArray) -> FloatArray:
    """Return erf(x) of x >= 0 to 1.5e-7 (Abramowitz & Stegun 7.1.26)."""
    t = 1 / (1 + 0.3275911 * x)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(1 - series * np.exp(-(x**2)))


def _lay(weight: FloatArray, sigma_px: FloatArray, light: FloatArray) -> None:
    """Add Gaussians, shape (n, scans), to the two nearest widths so that light and variance are kept."""
    widths = np.array(constants.SMEAR_SIGMA_PX.value)
    # Wider than the widest: within the window it is nearly flat, and the lower the wider.
    light = light * np.minimum(1, widths[-1] / np.maximum(sigma_px, 1e-6))
    squared, squares = np.minimum(sigma_px, widths[-1]) ** 2, widths**2
    upper = np.clip(np.searchsorted(squares, squared, side="right"), 1, len(squares) - 1)
    share = (squared - squares[upper - 1]) / (squares[upper] - squares[upper - 1])
    first = np.arange(len(weight))[:, None] * len(widths) + upper - 1
    for place, part in ((first, 1 - share), (first + 1, share)):
        weight += np.bincount(place.ravel(), (light * part).ravel(), weight.size).reshape(weight.shape)
