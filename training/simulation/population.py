"""What a survey of galaxies looks like to Gaia: redshifts, brightness, extent and number of transits."""

from functools import cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants
from training.simulation.instrument import FloatArray

RedshiftDistribution = Literal["survey", "uniform"]
REDSHIFT_LIMIT = 0.6


@cache
def survey_cumulative() -> tuple[FloatArray, FloatArray]:
    """Return redshifts and the fraction of the real survey below each, on a fine grid.

    Both published forms, percent per bin of .05 and percentiles, are points of one cumulative curve; a
    monotone cubic (Fritsch & Carlson 1980) through them has a continuous density.
    """
    percent = np.array(constants.REDSHIFT_BIN_PERCENT.value)
    edges = np.linspace(0, REDSHIFT_LIMIT, len(percent) + 1)
    points = dict(zip(edges, np.append(0, np.cumsum(percent) / percent.sum()), strict=True))
    points |= {redshift: share / 100 for share, redshift in constants.REDSHIFT_PERCENTILES.value}
    known = np.array(sorted(points))
    return _monotone_cubic(known, np.array([points[z] for z in known]))


def _monotone_cubic(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Evaluate the monotone cubic through (x, y) at 40 points in each interval."""
    width, secant = np.diff(x), np.diff(y) / np.diff(x)
    left, right = 2 * width[1:] + width[:-1], width[1:] + 2 * width[:-1]
    slope = np.zeros_like(x)
    slope[1:-1] = (left + right) / (left / secant[:-1] + right / secant[1:])
    t = np.linspace(0, 1, 40, endpoint=False)[None]
    h = width[:, None]
    value = y[:-1, None] * (1 + 2 * t) * (1 - t) ** 2 + y[1:, None] * t**2 * (3 - 2 * t)
    value = value + h * t * (1 - t) * (slope[:-1, None] * (1 - t) - slope[1:, None] * t)
    return np.append((x[:-1, None] + h * t).ravel(), x[-1]), np.append(value.ravel(), y[-1])


def draw_redshift(count: int, distribution: RedshiftDistribution, rng: np.random.Generator) -> FloatArray:
    """Draw `count` redshifts from 0 to 0.6, as the real survey has them or uniformly."""
    uniform = rng.random(count)
    if distribution == "uniform":
        return uniform * REDSHIFT_LIMIT
    redshift, below = survey_cumulative()
    return np.interp(uniform, below, redshift)


def mean_peak(redshift: FloatArray) -> FloatArray:
    """Return the survey's mean RP peak in e-/s per sample, exponential in redshift between known points."""
    known, ln_peak = np.array(constants.PEAK_REDSHIFT.value), np.log(constants.PEAK_FLUX.value)
    inside = np.interp(redshift, known, ln_peak)
    slope = (ln_peak[1] - ln_peak[0]) / (known[1] - known[0])
    return np.asarray(np.exp(inside + np.minimum(redshift - known[0], 0) * slope))


def draw_peak(redshift: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draw the RP peak in e-/s per sample of galaxies at `redshift`; its mean is the survey's."""
    scatter, limit = constants.PEAK_SCATTER.value, constants.PEAK_LIMIT.value
    mean = mean_peak(redshift)
    peak = mean * rng.lognormal(-(scatter**2) / 2, scatter, len(redshift))
    while (over := np.flatnonzero(peak > limit)).size:
        peak[over] = mean[over] * rng.lognormal(-(scatter**2) / 2, scatter, len(over))
    return np.asarray(peak)


def draw_transits(count: int, rng: np.random.Generator) -> NDArray[np.int16]:
    """Draw the number of times Gaia's photometers saw each source."""
    drawn = rng.lognormal(np.log(constants.TRANSITS_MEDIAN.value), constants.TRANSITS_SCATTER.value, count)
    return np.clip(np.rint(drawn), *constants.TRANSITS_RANGE.value).astype(np.int16)


def magnitude(blue: FloatArray, red: FloatArray) -> FloatArray:
    """Return the G magnitude of a point source with integrated BP and RP fluxes `blue` and `red`, e-/s.

    Riello et al. 2021 (A&A 649, A3): I_G = (I_BP + I_RP) / C(BP-RP). A galaxy's own G is fainter, for its
    window in G is narrower: hence "G-like".
    """
    zero = constants.ZERO_POINT.value
    blue, red = np.maximum(blue, 1e-3), np.maximum(red, 1e-3)
    colour = np.clip(-2.5 * np.log10(blue / red) + zero["BP"] - zero["RP"], 0.5, 4.0)
    excess = np.polynomial.polynomial.polyval(colour, constants.FLUX_EXCESS.value)
    return np.asarray(zero["G"] - 2.5 * np.log10((blue + red) / excess))
