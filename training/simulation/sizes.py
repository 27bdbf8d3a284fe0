"""How large galaxies are: half-light radii from published relations, a bulge and a disc, axis ratios.

Radii come from luminosity and type (Shen et al. 2003), shrink towards high redshift as van der Wel et al. (2014) found,
and become angles by the distance of a flat universe. Nothing here depends on redshift but by those two.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants, size_constants
from training.simulation.instrument import FloatArray

KPC_PER_MPC = 1e3
ARCSEC = float(np.pi / 180 / 3600)

BULGE_PROFILE = (
    (0.0112, 0.0403, 0.1038, 0.2337, 0.4947, 1.0550, 2.6233),
    (0.0067, 0.0280, 0.0717, 0.1358, 0.2063, 0.2659, 0.2856),
)
"""De Vaucouleurs' profile, ended smoothly between 6 and 8 effective radii, as a sum of Gaussians (Hogg & Lang 2013,
PASP 125, 719): sigma in effective radii, and shares. The light inside any radius is right to .5% of all (a test).
"""
DISC_PROFILE = ((0.1095, 0.2847, 0.5985, 1.1646), (0.0060, 0.0640, 0.3454, 0.5846))
"""The same of an exponential disc, ended between 3 and 4 effective radii."""

DISC_RADIUS = 1.6783
"""Effective radius of an exponential disc over its scale length."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """Galaxies on the sky, arrays of n or of any common shape."""

    half_light: FloatArray
    """Radius of half the light in r, circularised, arcsec."""
    bulge_share: FloatArray
    """Bulge-to-total ratio of the light in r."""
    bulge_radius: FloatArray
    """Effective semi-major axis, arcsec."""
    disc_radius: FloatArray
    """The same of the disc."""
    bulge_axis_ratio: FloatArray
    disc_axis_ratio: FloatArray
    early: NDArray[np.bool_]

    def rows(self, index: tuple[NDArray[np.int64], ...] | NDArray[np.int64]) -> "Shapes":
        """Return some of them."""
        return Shapes(*(getattr(self, name)[index] for name in self.__slots__))


@cache
def _distance() -> tuple[FloatArray, FloatArray]:
    redshift = np.linspace(0, 0.7, 1401)
    matter = size_constants.MATTER_DENSITY.value
    inverse = 1 / np.sqrt(matter * (1 + redshift) ** 3 + 1 - matter)
    steps = (inverse[1:] + inverse[:-1]) / 2 * np.diff(redshift)
    speed_km_s = constants.LIGHT_SPEED_M_S.value / 1e3
    return redshift, np.append(0, np.cumsum(steps)) * speed_km_s / size_constants.HUBBLE_KM_S_MPC.value


def comoving_distance_mpc(redshift: FloatArray) -> FloatArray:
    """Return the comoving distance in a flat universe, redshifts up to 0.7."""
    return np.interp(redshift, *_distance())


def distance_modulus(redshift: FloatArray) -> FloatArray:
    """Return apparent minus absolute magnitude, without K correction."""
    return np.asarray(5 * np.log10(np.maximum(comoving_distance_mpc(redshift) * (1 + redshift), 1e-3)) + 25)


def arcsec_per_kpc(redshift: FloatArray) -> FloatArray:
    """Return the angle of a transverse kiloparsec."""
    return np.asarray((1 + redshift) / np.maximum(comoving_distance_mpc(redshift), 1e-3) / KPC_PER_MPC / ARCSEC)


def median_radius_kpc(absolute: FloatArray, early: NDArray[np.bool_]) -> FloatArray:
    """Return the median half-light radius in r at z = .1 (Shen et al. 2003, equations 14 and 15), by total light."""
    slope, offset = size_constants.SIZE_EARLY.value
    alpha, beta, gamma, knee = size_constants.SIZE_LATE.value
    bend = np.log10(1 + 10 ** (-0.4 * (absolute - knee)))
    log_late = -0.4 * alpha * absolute + (beta - alpha) * bend + gamma
    return np.asarray(10 ** np.where(early, -0.4 * slope * absolute + offset, log_late))


def radius_scatter(absolute: FloatArray) -> FloatArray:
    """Return the scatter in ln of the half-light radius at one luminosity (Shen et al. 2003, equation 16)."""
    faint, bright, knee = size_constants.SIZE_SCATTER.value
    return np.asarray(bright + (faint - bright) / (1 + 10 ** (-0.8 * (absolute - knee))))


def beyond_petrosian(bulge_share: FloatArray) -> FloatArray:
    """Return by how much a galaxy is brighter than its Petrosian magnitude, mag."""
    return np.asarray(size_constants.BULGE_BEYOND_PETROSIAN.value * bulge_share)


def growth(
    radius: FloatArray, bulge_share: FloatArray, bulge_radius: FloatArray, disc_radius: FloatArray
) -> FloatArray:
    """Return the share of a face-on galaxy's light inside `radius`, all arrays of one shape."""
    inside = np.zeros(np.shape(radius))
    for share, unit, profile in (
        (bulge_share, bulge_radius, BULGE_PROFILE),
        (1 - bulge_share, disc_radius, DISC_PROFILE),
    ):
        for sigma, weight in zip(*profile, strict=True):
            inside += share * weight * -np.expm1(-0.5 * (radius / (sigma * unit)) ** 2)
    return inside


@cache
def _half_light_table() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return bulge shares, ln bulge over disc radii, and ln half-light over disc radii at both, by bisection."""
    share, ln_over = np.linspace(0, 1, 41), np.linspace(-4.0, 0.5, 46)
    shares, overs = np.meshgrid(share, np.exp(ln_over), indexing="ij")
    low, high = np.full(shares.shape, -5.0), np.full(shares.shape, 1.0)
    for _ in range(30):
        middle = (low + high) / 2
        below = growth(np.exp(middle), shares, overs, np.ones(shares.shape)) < 0.5
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return share, ln_over, (low + high) / 2


def half_light_radius(bulge_share: FloatArray, bulge_over_disc: FloatArray) -> FloatArray:
    """Return the half-light radius in units of the disc's effective radius, bilinear in a table of ln radius."""
    share, ln_over, table = _half_light_table()
    x = np.clip(bulge_share, 0, 1) * (len(share) - 1)
    y = np.clip((np.log(bulge_over_disc) - ln_over[0]) / (ln_over[1] - ln_over[0]), 0, len(ln_over) - 1)
    i, j = np.minimum(x.astype(np.int64), len(share) - 2), np.minimum(y.astype(np.int64), len(ln_over) - 2)
    x, y = x - i, y - j
    lower = table[i, j] * (1 - y) + table[i, j + 1] * y
    upper = table[i + 1, j] * (1 - y) + table[i + 1, j + 1] * y
    return np.asarray(np.exp(lower * (1 - x) + upper * x))


def draw(redshift: FloatArray, absolute: FloatArray, early: NDArray[np.bool_], rng: np.random.Generator) -> Shapes:
    """Draw the shapes of galaxies of absolute Petrosian magnitudes `absolute` in r, arrays of one shape."""
    size = np.shape(absolute)
    share = _bulge_share(early, rng)
    total = absolute - beyond_petrosian(share)
    evolution = np.where(early, *size_constants.SIZE_EVOLUTION.value)
    kpc = median_radius_kpc(total, early) * ((1 + redshift) / (1 + size_constants.SIZE_REDSHIFT.value)) ** evolution
    kpc = kpc * np.exp(radius_scatter(total) * rng.standard_normal(size))
    half_light = kpc * arcsec_per_kpc(redshift)
    ratio, scatter = size_constants.BULGE_OVER_SCALE.value
    over_disc = ratio / DISC_RADIUS * np.exp(scatter * rng.standard_normal(size))
    cosine = rng.random(size)
    bulge_ratio, disc_ratio = (
        np.sqrt(cosine**2 * (1 - flat**2) + flat**2)
        for flat in (
            np.clip(rng.normal(*size_constants.THICKNESS.value[part], size), 0.1, 0.95) for part in ("bulge", "disc")
        )
    )
    disc_radius = half_light / half_light_radius(share, over_disc)
    return Shapes(
        half_light=half_light,
        bulge_share=share,
        bulge_radius=disc_radius * over_disc / np.sqrt(bulge_ratio),
        disc_radius=disc_radius / np.sqrt(disc_ratio),
        bulge_axis_ratio=bulge_ratio,
        disc_axis_ratio=disc_ratio,
        early=early,
    )


def _bulge_share(early: NDArray[np.bool_], rng: np.random.Generator) -> FloatArray:
    size = np.shape(early)
    mean, scatter = (np.where(early, *pair) for pair in size_constants.BULGE_SHARE.value)
    total = mean * (1 - mean) / scatter**2 - 1
    share = rng.beta(mean * total, (1 - mean) * total)
    pure = early & (rng.random(size) < size_constants.ELLIPTICAL_FRACTION.value)
    return np.where(pure, 1.0, share)
