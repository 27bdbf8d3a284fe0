"""Galaxies on Gaia's windows: of any smear, or of the known sizes and magnitudes of `brightness` and `sizes`."""

import numpy as np
from numpy.typing import NDArray

from training.simulation import brightness, constants, extent, size_constants
from training.simulation.instrument import (
    BANDS,
    WAVELENGTH_NM,
    Band,
    FloatArray,
    SingleArray,
    as_points,
    smear_and_shift,
    to_modes,
    window_flux,
)


def on_window(
    redshift: FloatArray,
    seen: brightness.Seen,
    light: tuple[SingleArray, NDArray[np.int64], SingleArray],
    forward: tuple[dict[Band, SingleArray], float],
    rng: np.random.Generator,
    *,
    smear: dict[Band, SingleArray] | None = None,
) -> dict[Band, SingleArray]:
    """Return noise-free e-/s per pixel on the window, per band, with the extent that was seen or a given `smear`.

    Takes the light that `galaxies.make` made, of arbitrary scale, and matrices that lead from W m-2 nm-1 to
    e-/s per pixel, up to a factor that follows. The host's light is smeared, and partly lost outside the window; its
    nucleus's is not.
    """
    (host, active, nucleus), (matrix, scale) = light, forward
    unit = to_watts(host, active, nucleus, redshift, seen) * np.float32(scale)
    if smear is None:
        angle = extent.scan_angles(len(redshift), rng)
        smear = {band: extent.smear(seen.shapes, angle, band) for band in BANDS}
    return smeared((host * unit, active, nucleus * unit[active]), matrix, smear, rng)


def smeared(
    light: tuple[SingleArray, NDArray[np.int64], SingleArray],
    matrix: dict[Band, SingleArray],
    smear: dict[Band, SingleArray],
    rng: np.random.Generator,
) -> dict[Band, SingleArray]:
    """Return noise-free fluxes on the window, per band, of hosts that are smeared and nuclei that are points.

    Parameters
    ----------
    light : tuple
        As `galaxies.make` returns it.
    matrix : dict
        Of each band, from light to fluxes per pixel.
    smear : dict
        Of each band, the light at each width of `constants.SMEAR_SIGMA_PX`, shape (n, widths).
    rng : Generator
        Draws each galaxy's position in each band.
    """
    host, active, nucleus = light
    window = {}
    for band in BANDS:
        jitter = rng.normal(0, constants.POSITION_JITTER_PX.value, len(host))
        shift = (constants.SAMPLE_OFFSET_PX.value[band] + jitter).astype(np.float32)
        modes = smear_and_shift(to_modes(host @ matrix[band]), smear[band], shift)
        modes[active] += as_points(to_modes(nucleus @ matrix[band]), shift[active])
        window[band] = window_flux(modes)
    return window


def to_watts(
    host: SingleArray, active: NDArray[np.int64], nucleus: SingleArray, redshift: FloatArray, seen: brightness.Seen
) -> SingleArray:
    """Return what makes light on `WAVELENGTH_NM`, of hosts and nuclei, as bright as was seen, W m-2 nm-1; (n, 1)."""
    effective, width = constants.SDSS_EFFECTIVE_NM.value[2], size_constants.SDSS_WIDTH_NM.value[2]
    passed = brightness.passband(WAVELENGTH_NM, effective, width) * WAVELENGTH_NM
    passed = (passed / passed.sum()).astype(np.float32)
    total = host @ passed
    total[active] += nucleus @ passed
    zero = size_constants.AB_ZERO_W_M2_HZ.value * constants.LIGHT_SPEED_M_S.value / (effective * 1e-9) ** 2 * 1e-9
    flux = zero * 10 ** (-0.4 * seen.apparent) * amplitude(redshift)
    return np.asarray((flux / total).astype(np.float32)[:, None])


def amplitude(redshift: FloatArray) -> FloatArray:
    """Return flux over what magnitudes and sizes say, which holds the mean amplitude of real galaxies at a redshift."""
    known = np.log(size_constants.AMPLITUDE.value)
    return np.asarray(np.exp(np.interp(redshift, constants.PEAK_REDSHIFT.value, known)))
