"""How bright galaxies are: the parents' own absolute magnitudes, seen through SDSS's selections and Gaia's.

At a redshift that is given, type, luminosity and size are drawn together, and kept with the probability that SDSS took
a spectrum of such a galaxy and that Gaia found a source in its core.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants, galaxies, size_constants, sizes
from training.simulation.instrument import FloatArray, SingleArray

MAGNITUDES_FILE = galaxies.DATA / "parent_magnitudes.npz"
BANDS = "ugri"
TRUTH = ("absolute_magnitude", "apparent_magnitude", "half_light_radius", "bulge_share", "nucleus_share")
"""Columns of a dataset that say what its galaxies are, in r: AB magnitudes, arcsec, shares of the light."""
CANDIDATES = 16
"""Drawn for each galaxy, of which one is kept by its chance of being observed."""
ROUNDS = (0.18, 0.18, 0.18, *(0.35,) * 9)
"""Beyond each of these redshifts `CANDIDATES` are drawn once more, for fewer and fewer pass."""
OTHERS_FROM = 0.012
"""Redshift from which parents stand for the luminosity function of what SDSS took for other reasons."""
MARGIN = 1.0
"""Magnitudes by which nuclei may lift a galaxy over SDSS's limits."""
_REDSHIFTS = np.linspace(0, galaxies.HIGHEST_REDSHIFT, 131)


@dataclass(frozen=True, slots=True)
class Seen:
    """Galaxies as SDSS and Gaia chose them, arrays of n."""

    parent: NDArray[np.int64]
    absolute: FloatArray
    """Absolute Petrosian magnitude in SDSS r, AB, at rest, h = .7."""
    apparent: FloatArray
    """Magnitude of all its light, before Milky Way dust, in r."""
    nucleus: FloatArray
    """An active nucleus's share of the light at 500 nm at rest; zero where there is none."""
    shapes: sizes.Shapes

    def __len__(self) -> int:
        return len(self.parent)

    def replace(self, index: NDArray[np.int64], other: "Seen") -> None:
        """Put others in some places."""
        for own, new in ((self, other), (self.shapes, other.shapes)):
            for name in set(own.__slots__) - {"shapes"}:
                getattr(own, name)[index] = getattr(new, name)

    def truth(self) -> dict[str, SingleArray]:
        """Return the columns of a dataset: magnitudes, half-light radius in arcsec, shares of bulge and nucleus."""
        columns = (self.absolute, self.apparent, self.shapes.half_light, self.shapes.bulge_share, self.nucleus)
        return {name: values.astype(np.float32) for name, values in zip(TRUTH, columns, strict=True)}

    def rows(self, index: NDArray[np.int64]) -> "Seen":
        """Return some of them."""
        return Seen(
            self.parent[index], self.absolute[index], self.apparent[index], self.nucleus[index], self.shapes.rows(index)
        )


@cache
def _template_flux() -> FloatArray:
    """Return the mean f_lambda of each template in ugri at each of `_REDSHIFTS`, shape (4, redshifts, 5)."""
    continuum, lines = galaxies.templates()
    light, rest = (continuum + lines.sum(axis=0)).astype(np.float64), galaxies.REST_WAVELENGTH_NM
    flux = np.empty((len(BANDS), len(_REDSHIFTS), len(light)))
    for band, width in enumerate(size_constants.SDSS_WIDTH_NM.value[: len(BANDS)]):
        for row, redshift in enumerate(_REDSHIFTS):
            passed = passband(rest * (1 + redshift), constants.SDSS_EFFECTIVE_NM.value[band], width) * np.gradient(rest)
            flux[band, row] = light @ passed / passed.sum() / (1 + redshift)
    return flux


def passband(wavelength_nm: FloatArray, middle_nm: float, width_nm: float) -> FloatArray:
    """Return a Gaussian in place of an SDSS passband, per unit of energy: photons are counted."""
    return np.asarray(wavelength_nm * np.exp(-4 * np.log(2) * ((wavelength_nm - middle_nm) / width_nm) ** 2))


def _flux(band: int, parent: NDArray[np.int64], redshift: FloatArray) -> FloatArray:
    """Return parents' mean flux in a band as it would be at a redshift, up to distance and one scale per parent."""
    place = np.interp(redshift, _REDSHIFTS, np.arange(len(_REDSHIFTS)))
    low = np.minimum(place.astype(np.int64), len(_REDSHIFTS) - 2)
    share = (place - low)[..., None]
    table = _template_flux()[band]
    return np.asarray(
        (galaxies.parents().coefficients[parent] * (table[low] * (1 - share) + table[low + 1] * share)).sum(-1)
    )


def k_correction(parent: NDArray[np.int64], redshift: FloatArray, band: int = 2) -> FloatArray:
    """Return apparent magnitude in a band minus absolute r and distance modulus."""
    ratio = _flux(band, parent, redshift) / _flux(2, parent, np.zeros(np.shape(redshift)))
    effective = constants.SDSS_EFFECTIVE_NM.value
    return np.asarray(-2.5 * np.log10(ratio) - 5 * np.log10(effective[band] / effective[2]))


@dataclass(frozen=True, slots=True)
class Known:
    """What the parents' magnitudes say, arrays in the order of `galaxies.parents`."""

    absolute: FloatArray
    """NaN where the magnitude is not known."""
    early_chance: FloatArray
    completeness: FloatArray
    """Share of such galaxies of SDSS's main sample that are parents; infinite where the magnitude is not known."""
    volume: FloatArray
    """Volume in which SDSS's main sample would hold it, of any scale, from the centre on."""


@cache
def known() -> Known:
    """Return the parents' absolute magnitudes and types, computed once."""
    everything, rows = galaxies.parents(), np.arange(len(galaxies.parents().parent_id))
    with np.load(MAGNITUDES_FILE) as file:
        place = np.minimum(np.searchsorted(file["parent_id"], everything.parent_id), len(file["parent_id"]) - 1)
        apparent = np.where(file["parent_id"][place] == everything.parent_id, file["petrosian_r"][place], np.nan)
    absolute = apparent - sizes.distance_modulus(everything.redshift) - k_correction(rows, everything.redshift)
    zero = np.zeros(len(rows))
    colour = k_correction(rows, zero, 0) - k_correction(rows, zero)
    centre, depth, middle, width = size_constants.EARLY_DIVIDER.value
    divider = centre + depth * np.tanh((absolute - middle) / width)
    completeness = np.interp(apparent, *size_constants.PARENT_COMPLETENESS.value)
    completeness = np.where(np.isfinite(apparent), completeness, np.inf)
    limit = size_constants.MAIN_LIMIT.value
    last = sizes.comoving_distance_mpc(everything.redshift) * 10 ** (0.2 * np.maximum(limit - apparent, 0))
    return Known(
        absolute,
        np.nan_to_num(1 / (1 + np.exp((divider - colour) / size_constants.EARLY_WIDTH.value))),
        completeness,
        last**3,
    )


@cache
def _luminosities(nearest: float) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return parents beyond a redshift by luminosity, their absolute magnitudes, and their cumulative density."""
    rows = np.flatnonzero((galaxies.parents().redshift > nearest) & np.isfinite(known().absolute))
    order = rows[np.argsort(known().absolute[rows])]
    volume = known().volume[order] - sizes.comoving_distance_mpc(np.array(nearest)) ** 3
    return order, known().absolute[order], np.cumsum(1 / known().completeness[order] / volume)


def sdss_chance(redshift: FloatArray, magnitude: FloatArray, shapes: sizes.Shapes, nucleus: FloatArray) -> FloatArray:
    """Return how likely SDSS took a spectrum of galaxies of Petrosian magnitudes gri, first axis: main, LOWZ, BOSS."""
    main = magnitude[1] < size_constants.MAIN_LIMIT.value
    green, red, infrared = magnitude - sizes.beyond_petrosian(shapes.bulge_share)
    # Red galaxies by the colour along their track, as Dawson et al. 2013 define it.
    track = 0.7 * (green - red) + 1.2 * (red - infrared - 0.18)
    limit, offset = size_constants.LUMINOUS_RED.value
    luminous = shapes.early & (red < offset + track / 0.3) & (red < limit)
    limit, middle, width = size_constants.BOSS.value
    boss = (infrared < limit) / (1 + np.exp((middle - redshift) / width))
    limit, radius = size_constants.FIBRE_LIMIT.value
    fits = aperture_magnitude(red, shapes, nucleus, radius) > limit
    return np.asarray(np.where(main | luminous, 1.0, boss) * fits)


def aperture_magnitude(red: FloatArray, shapes: sizes.Shapes, nucleus: FloatArray, radius_arcsec: float) -> FloatArray:
    """Return the r magnitude of the light inside a radius, without seeing."""
    bulge, disc = (
        radius * np.sqrt(ratio)
        for radius, ratio in (
            (shapes.bulge_radius, shapes.bulge_axis_ratio),
            (shapes.disc_radius, shapes.disc_axis_ratio),
        )
    )
    inside = sizes.growth(np.full(np.shape(red), radius_arcsec), shapes.bulge_share, bulge, disc)
    return np.asarray(red - 2.5 * np.log10(nucleus + (1 - nucleus) * inside))


def gaia_chance(red: FloatArray, shapes: sizes.Shapes, nucleus: FloatArray) -> FloatArray:
    """Return how likely Gaia keeps a source: its detection compares a core's light with the surroundings."""
    limit, width = size_constants.CORE_LIMIT.value
    core = aperture_magnitude(red, shapes, nucleus, size_constants.CORE_ARCSEC.value)
    return np.asarray(1 / (1 + np.exp(np.clip((core - limit) / width, -50, 50))))


def draw(redshift: FloatArray, rng: np.random.Generator) -> Seen:
    """Draw parents, luminosities and shapes of galaxies at `redshift`, shape (n,), that SDSS and Gaia observed."""
    seen, weight = _round(redshift, rng)
    for beyond in ROUNDS:
        far = np.flatnonzero(redshift > beyond)
        other, more = _round(redshift[far], rng)
        weight[far] += more
        better = rng.random(len(far)) * weight[far] < more
        seen.replace(far[better], other.rows(np.flatnonzero(better)))
    _, deep, width = size_constants.BOSS.value  # beyond, the large samples are as deep as Gaia
    share = size_constants.OTHER_FRACTION.value / (1 + np.exp((redshift - deep) / width))
    others = np.flatnonzero(rng.random(len(redshift)) < share)
    seen.replace(others, _round(redshift[others], rng, others=True)[0])
    return seen


def _round(redshift: FloatArray, rng: np.random.Generator, *, others: bool = False) -> tuple[Seen, FloatArray]:
    """Draw `CANDIDATES` galaxies for each redshift and keep one; return them and the sum of their chances.

    With `others` of those that SDSS took for other reasons than its large samples: any galaxy that fits into a fibre.
    """
    at = np.repeat(redshift[:, None], CANDIDATES, axis=1)
    parent = _any(at, rng) if others else _candidates(at, rng)
    absolute = known().absolute[parent]
    early = rng.random(at.shape) < known().early_chance[parent]
    fraction, evolution = size_constants.NUCLEUS_FRACTION.value
    active = rng.random(at.shape) < fraction * (1 + at) ** evolution
    nucleus = np.where(active, rng.uniform(*constants.AGN_LIGHT.value, at.shape), 0.0)
    added = 2.5 * np.log10(1 - nucleus)
    shapes = sizes.draw(at, absolute, early, rng)
    modulus = absolute + sizes.distance_modulus(at) + added
    magnitude = np.stack([modulus + k_correction(parent, at, band) for band in (1, 2, 3)])
    red = magnitude[1] - sizes.beyond_petrosian(shapes.bulge_share)
    found = gaia_chance(red, shapes, nucleus)
    # Where nothing passes, the core that misses the limits by least is the likeliest to have passed.
    limit, radius = size_constants.FIBRE_LIMIT.value
    beyond = np.maximum(limit - aperture_magnitude(red, shapes, nucleus, radius), 0)
    taken = beyond == 0 if others else sdss_chance(at, magnitude, shapes, nucleus)
    chance = (taken + 1e-9 * 10 ** (-4 * beyond)) * found + 1e-60
    if not others:
        chance *= np.where(at > size_constants.LUMINOSITY_REDSHIFT.value[1], 1.0, 1 / known().completeness[parent])
    below = np.cumsum(chance, axis=1)
    chosen = (rng.random((len(at), 1)) * below[:, -1:] > below).sum(axis=1)
    rows = (np.arange(len(at)), np.minimum(chosen, CANDIDATES - 1))
    return Seen(parent[rows], absolute[rows], red[rows], nucleus[rows], shapes.rows(rows)), below[:, -1]


@cache
def _luminous() -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return parents by luminosity, their cumulative density, and how much of it to draw from at each of `_REDSHIFTS`.

    At each redshift none is fainter, by more than `MARGIN`, than the faintest that any selection of SDSS takes.
    """
    order, absolute, below = _luminosities(size_constants.LUMINOSITY_REDSHIFT.value[0])
    shapes = sizes.draw(np.full(len(order), 0.2), absolute, known().early_chance[order] > 0.5, np.random.default_rng(0))
    share = np.empty(len(_REDSHIFTS))
    for row, redshift in enumerate(np.maximum(_REDSHIFTS, size_constants.LUMINOSITY_REDSHIFT.value[1])):
        at = np.full(len(order), redshift)
        modulus = absolute + sizes.distance_modulus(at)
        magnitude = np.stack([modulus + k_correction(order, at, band) for band in (1, 2, 3)])
        taken = np.flatnonzero(sdss_chance(at, magnitude, shapes, np.zeros(len(order))) > 0.1)
        faintest = np.quantile(absolute[taken], 0.995) + MARGIN if len(taken) else absolute[0] + MARGIN
        share[row] = below[np.searchsorted(absolute, faintest) - 1]
    return order, below, share


@cache
def _nearest_known() -> NDArray[np.int64]:
    """Return for each parent itself, or the next in redshift whose magnitude is known."""
    rows = np.flatnonzero(np.isfinite(known().absolute))
    place = np.searchsorted(rows, np.arange(len(known().absolute)))
    return rows[np.minimum(place, len(rows) - 1)]


def _any(redshift: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return parents of any luminosity that is not too faint to be seen at all."""
    order, absolute, below = _luminosities(OTHERS_FROM)
    faintest = size_constants.OTHER_LIMIT.value - sizes.distance_modulus(redshift) - redshift
    last = below[np.maximum(np.searchsorted(absolute, faintest), CANDIDATES) - 1]
    return np.asarray(order[np.searchsorted(below, rng.random(redshift.shape) * last, side="right")])


def _candidates(redshift: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return parents: near in redshift while there are many, else as the luminosity function has them."""
    limit = size_constants.LUMINOSITY_REDSHIFT.value[1]
    order, below, share = _luminous()
    uniform = rng.random(redshift.shape) * np.interp(redshift, _REDSHIFTS, share)
    drawn = order[np.searchsorted(below, uniform, side="right")]
    near = _nearest_known()[galaxies.choose_parents(np.minimum(redshift.ravel(), limit), rng)]
    return np.where(redshift > limit, drawn, near.reshape(redshift.shape))
