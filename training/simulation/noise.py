"""Noise as Gaia's pipeline leaves it: white on the detector, correlated by the fit of the bases."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants
from training.simulation.instrument import (
    RELEASE,
    WINDOW_PX,
    Band,
    FloatArray,
    SingleArray,
    coefficient_count,
    fit_matrix,
    kept_matrix,
)

WINDOW_STEP_PX = float(WINDOW_PX[1] - WINDOW_PX[0])


def pixel_variance(
    band: Band, flux: SingleArray, transits: NDArray[np.int16], excess: SingleArray | float = 1.0
) -> SingleArray:
    """Return the variance of the mean flux at each point of the window, shape (n, window), in (e-/s per pixel)^2.

    Takes noise-free fluxes on `instrument.WINDOW_PX`, shape (n, window) in e-/s per pixel, how many times each source
    was seen, shape (n,), and factors on each source's errors, shape (n,) or one. The window's points are closer than a
    pixel, so their variance is larger.
    """
    photons = constants.PHOTON_VARIANCE.value * np.maximum(flux, 0) + constants.BACKGROUND_VARIANCE.value[band]
    seconds = constants.EXPOSURE_S.value * transits / np.square(excess)
    return np.asarray(photons / seconds[:, None] / WINDOW_STEP_PX, dtype=np.float32)


def draw_excess(count: int, rng: np.random.Generator) -> SingleArray:
    """Draw by how much each source's errors exceed what its transits alone would leave."""
    return rng.lognormal(0, constants.NOISE_EXCESS.value, count).astype(np.float32)


@cache
def noise_fit(band: Band, release: str = RELEASE) -> FloatArray:
    """Return the matrix from detector noise to coefficient noise, shape (window, coefficients).

    In archive spectra the highest orders have smaller errors than white noise would leave. The taper reproduces that,
    and the correlation of neighbouring samples.
    """
    orders = np.arange(coefficient_count(band, release))
    return fit_matrix(band, release) * np.interp(orders, *constants.COEFFICIENT_TAPER.value)


def draw_coefficients(
    band: Band, variance: SingleArray, rng: np.random.Generator, release: str = RELEASE
) -> SingleArray:
    """Draw the noise of the coefficients, shape (n, coefficients), from the window's variance and its background."""
    white = rng.standard_normal(variance.shape, dtype=np.float32) * np.sqrt(variance)
    background = constants.BACKGROUND_OFFSET.value * rng.standard_normal((len(variance), 1), dtype=np.float32)
    fit = noise_fit(band, release).astype(np.float32)
    return np.asarray(white @ fit + background * fit_matrix(band, release).sum(axis=0).astype(np.float32))


def coefficient_covariance(band: Band, variance: SingleArray, release: str = RELEASE) -> FloatArray:
    """Return the covariance of the m coefficients, shape (n, m, m), without the background's share."""
    fit = noise_fit(band, release)
    return np.asarray(np.einsum("wi,nw,wj->nij", fit, variance.astype(np.float64), fit, optimize=True))


def sample_error(band: Band, variance: SingleArray, release: str = RELEASE) -> SingleArray:
    """Return the standard error of each kept sample, shape (n, 80) or (n, 106), in e-/s per sample."""
    weight = (noise_fit(band, release) @ kept_matrix(band, release)) ** 2
    return np.asarray(np.sqrt(variance @ weight.astype(np.float32)))


def calibration(count: int, rng: np.random.Generator) -> SingleArray:
    """Draw smooth calibration errors, factors near one on `instrument.WINDOW_PX`, shape (count, window)."""
    factor = np.ones((count, len(WINDOW_PX)), dtype=np.float32)
    for cycles in constants.CALIBRATION_CYCLES.value:
        # A sine of random phase is a fixed sine and cosine with random weights.
        phase = rng.uniform(0, 2 * np.pi, (count, 1)).astype(np.float32)
        angle = (2 * np.pi * cycles * WINDOW_PX).astype(np.float32)
        wave = np.sin(phase) * np.cos(angle) + np.cos(phase) * np.sin(angle)
        factor += constants.CALIBRATION_WIGGLE.value * wave
    return factor
