"""Galaxies as light: real parents, five templates, emission lines, active nuclei and dust.

A simulated galaxy descends from one of 9,903 real ones (``build/parents.py``): its template coefficients and
its ugriz residuals, varied. All light is on a grid uniform in ln wavelength, so a redshift is a shift along
it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants
from training.simulation.instrument import WAVELENGTH_NM, FloatArray, SingleArray

DATA = Path(__file__).parent / "data"
TEMPLATES_FILE = DATA / "templates.npz"
PARENTS_FILE = DATA / "parents.npz"
EXTINCTION_FILE = DATA / "extinction.npz"

LINE_GROUPS_NM = ((0, 460), (460, 520), (520, 620), (620, 690), (690, 2000))
"""Lines that rise and fall together: [OII] to H-gamma, H-beta and [OIII], He I, H-alpha with [NII] and [SII],
red."""

HIGHEST_REDSHIFT = 0.65
LN_STEP = float(np.log(WAVELENGTH_NM[1] / WAVELENGTH_NM[0]))
SHIFTS = int(np.ceil(np.log(1 + HIGHEST_REDSHIFT) / LN_STEP)) + 2
REST_WAVELENGTH_NM: FloatArray = WAVELENGTH_NM[0] * np.exp(
    LN_STEP * np.arange(-SHIFTS, len(WAVELENGTH_NM) + 1, dtype=np.float64)
)
"""Rest-frame wavelengths: the observed grid and the room towards the blue that redshift needs."""

COARSE_STEP = 40
"""Smooth factors (tilt, dust, residuals) are evaluated at every 40th wavelength and interpolated."""


@dataclass(frozen=True, slots=True)
class Parents:
    """Real galaxies, in ascending redshift."""

    parent_id: NDArray[np.int32]
    redshift: FloatArray
    coefficients: FloatArray
    """Shape (n, 5), summing to one."""
    log_residual: FloatArray
    """ln(observed / template) in ugriz, shape (n, 5), mean zero."""
    extinction_r: FloatArray
    """Milky Way extinction in SDSS r, mag."""


@dataclass(frozen=True, slots=True)
class Light:
    """Light of k of n galaxies that is not their parents'."""

    rows: NDArray[np.int64]
    """Which they are, shape (k,)."""
    shares: FloatArray
    """Share of each template in the continuum at 550 nm at rest, shape (k, 5), rows summing to one."""
    line_factor: FloatArray
    """Factor of all emission lines together, shape (k,)."""
    tilt: FloatArray
    """More exponent of (wavelength / `constants.TILT_PIVOT_NM`), shape (k,)."""

    def among(self, kept: NDArray[np.int64]) -> "Light":
        """Return those among some galaxies, `kept` ascending, numbered as those are."""
        mine = np.isin(self.rows, kept)
        rows = np.searchsorted(kept, self.rows[mine])
        return Light(rows, self.shares[mine], self.line_factor[mine], self.tilt[mine])


@cache
def parents() -> Parents:
    """Return the parent galaxies, read once."""
    with np.load(PARENTS_FILE) as file:
        order = np.argsort(file["redshift"], kind="stable")
        values = {name: file[name][order] for name in file.files}
    return Parents(
        parent_id=values["parent_id"],
        **{name: values[name].astype(np.float64) for name in values if name != "parent_id"},
    )


@cache
def templates() -> tuple[SingleArray, SingleArray]:
    """Return continuum, shape (5, w), and lines, shape (groups, 5, w), on `REST_WAVELENGTH_NM`."""
    with np.load(TEMPLATES_FILE) as file:
        return file["continuum"], file["lines"]


@cache
def extinction_curve() -> FloatArray:
    """Return A(wavelength) / A(SDSS r) on the coarse grid (Gordon et al. 2023, R(V) = 3.1)."""
    with np.load(EXTINCTION_FILE) as file:
        return np.asarray(np.interp(coarse_wavelength_nm(), file["wavelength_nm"], file["relative_extinction"]))


@cache
def coarse_wavelength_nm() -> FloatArray:
    """Return the wavelengths at which smooth factors are evaluated; the last is at or past the grid's end."""
    count = -(-(len(WAVELENGTH_NM) - 1) // COARSE_STEP) + 1
    return np.asarray(WAVELENGTH_NM[0] * np.exp(LN_STEP * COARSE_STEP * np.arange(count)))


@cache
def _refine() -> SingleArray:
    position = np.arange(len(WAVELENGTH_NM)) / COARSE_STEP
    cell = np.minimum(position.astype(int), len(coarse_wavelength_nm()) - 2)
    matrix = np.zeros((len(coarse_wavelength_nm()), len(WAVELENGTH_NM)), dtype=np.float32)
    columns = np.arange(len(WAVELENGTH_NM))
    matrix[cell, columns] = 1 - (position - cell)
    matrix[cell + 1, columns] = position - cell
    return matrix


def choose_parents(redshift: FloatArray, rng: np.random.Generator) -> NDArray[np.int64]:
    """Choose for each redshift a parent near it, shape (n,): rows of `parents`."""
    known = parents().redshift
    half = np.full(len(redshift), constants.PARENT_WINDOW.value)
    while True:
        first = np.searchsorted(known, redshift - half)
        stop = np.searchsorted(known, redshift + half)
        few = stop - first < constants.PARENT_MINIMUM.value
        if not few.any():
            break
        half[few] *= 1.4
    return np.asarray(first + (rng.random(len(redshift)) * (stop - first)).astype(np.int64))


def rest_light(parent: NDArray[np.int64], rng: np.random.Generator, other: Light | None = None) -> SingleArray:
    """Return stars and emission lines at rest, shape (n, len(REST_WAVELENGTH_NM)), of arbitrary scale."""
    count = len(parent)
    scatter = np.exp(constants.COEFFICIENT_SCATTER.value * rng.standard_normal((count, 5)))
    mixture = (parents().coefficients[parent] * scatter).astype(np.float32)
    continuum, lines = templates()
    groups = len(lines)
    strength = constants.LINE_SCATTER.value * rng.standard_normal((count, 1))
    strength = strength + constants.LINE_GROUP_SCATTER.value * rng.standard_normal((count, groups))
    if other is not None:
        at_550 = continuum[:, np.argmin(np.abs(REST_WAVELENGTH_NM - 550.0))]
        mixture[other.rows] = other.shares / at_550
        strength[other.rows] += np.log(other.line_factor)[:, None]
    line_mixture = np.exp(strength).astype(np.float32)[:, :, None] * mixture[:, None, :]
    everything = np.concatenate([continuum, lines.reshape(groups * 5, -1)])
    return np.asarray(np.concatenate([mixture, line_mixture.reshape(count, groups * 5)], axis=1) @ everything)


def nuclei(shares: FloatArray, rng: np.random.Generator) -> tuple[NDArray[np.int64], SingleArray]:
    """Make the active nuclei of galaxies: some with a power law and weak broad lines, others with narrow lines alone.

    Takes each broad-line nucleus's share of all light at 500 nm in the rest frame, shape (n,), zero for galaxies
    without. Which of these have a narrow-line nucleus is drawn.

    Returns the rows of galaxies with a nucleus of either kind, shape (k,), and their nuclei's rest-frame light on
    `REST_WAVELENGTH_NM`, shape (k, w): with broad lines one at 500 nm but for the lines; with narrow lines for a galaxy
    whose light there is one.
    """
    broad = np.flatnonzero(shares)
    slope = rng.normal(*constants.AGN_SLOPE.value, (len(broad), 1))
    light = power_law(REST_WAVELENGTH_NM, slope, constants.AGN_LINES_NM.value, constants.NUCLEUS_LINES.value, rng)
    (apart,) = rng.spawn(1)  # so that all that is drawn for other galaxies does not depend on these
    narrow = np.flatnonzero((apart.random(len(shares)) < constants.NARROW_FRACTION.value) & (shares == 0))
    median, scatter = constants.NARROW_WIDTH_NM.value
    widths = apart.lognormal(np.log(median), scatter, (len(narrow), 1))
    light = np.concatenate([light, widths * narrow_lines()])
    active = np.concatenate([broad, narrow])
    order = np.argsort(active)
    return active[order], light[order].astype(np.float32)


@cache
def narrow_lines() -> FloatArray:
    """Return the lines of a narrow-line nucleus on `REST_WAVELENGTH_NM`, [OIII] at 500.8 nm of the flux 1 nm."""
    sigma = constants.NARROW_SIGMA_NM.value
    return np.asarray(
        sum(
            flux / (sigma * np.sqrt(2 * np.pi)) * np.exp(-0.5 * ((REST_WAVELENGTH_NM - line_nm) / sigma) ** 2)
            for line_nm, flux in constants.NARROW_LINES_NM.value
        )
    )


def power_law(
    rest_nm: FloatArray,
    slope: FloatArray,
    lines_nm: Sequence[tuple[float, ...]],
    factor: float,
    rng: np.random.Generator,
) -> FloatArray:
    """Return power laws that are one at 500 nm, and broad lines of a drawn strength times `factor`, shape (n, w).

    The slopes have shape (n, 1); a line has a wavelength, an equivalent width and a sigma in nm.
    """
    light = (rest_nm / 500.0) ** slope
    for line_nm, width_nm, sigma_nm in lines_nm:
        strength = width_nm * factor * rng.lognormal(0, constants.AGN_LINE_SCATTER.value, slope.shape)
        strength *= (line_nm / 500.0) ** slope / (sigma_nm * np.sqrt(2 * np.pi))
        light += strength * np.exp(-0.5 * ((rest_nm - line_nm) / sigma_nm) ** 2)
    return np.asarray(light)


def to_observer(light: SingleArray, redshift: FloatArray) -> SingleArray:
    """Shift rest-frame light to the observer, shape (n, len(WAVELENGTH_NM)); the scale is arbitrary."""
    shift = np.log1p(redshift) / LN_STEP
    start = SHIFTS - np.ceil(shift).astype(np.int64)
    share = (np.ceil(shift) - shift).astype(np.float32)
    size = len(WAVELENGTH_NM)
    observed = np.empty((len(light), size), dtype=np.float32)
    for row, (k, f) in enumerate(zip(start, share, strict=True)):
        observed[row] = (1 - f) * light[row, k : k + size] + f * light[row, k + 1 : k + 1 + size]
    return observed


def _ln_dust(count: int, rng: np.random.Generator, extinction_r: FloatArray | None = None) -> FloatArray:
    if extinction_r is None or np.isnan(extinction_r).any():
        known = parents().extinction_r
        drawn = known[rng.integers(len(known), size=count)]
        extinction_r = drawn if extinction_r is None else np.where(np.isnan(extinction_r), drawn, extinction_r)
    return np.asarray(-0.4 * np.log(10) * extinction_r[:, None] * extinction_curve())


def dust(count: int, rng: np.random.Generator) -> SingleArray:
    """Draw the Milky Way's extinction as the parents have it: factors of shape (count, len(WAVELENGTH_NM))."""
    return np.asarray(np.exp(_ln_dust(count, rng)).astype(np.float32) @ _refine())


def smooth_factor(
    redshift: FloatArray,
    parent: NDArray[np.int64],
    rng: np.random.Generator,
    extinction_r: FloatArray | None = None,
    other: Light | None = None,
) -> SingleArray:
    """Draw the parent's residuals, a tilt and, unless given, the Milky Way's dust: factors, shape (n, wavelengths)."""
    known = parents()
    coarse = coarse_wavelength_nm()
    tilt = rng.normal(*constants.TILT.value, (len(redshift), 1))
    residual = known.log_residual[parent]
    if other is not None:
        tilt[other.rows, 0] += other.tilt
        residual[other.rows] = 0
    ln_factor = tilt * np.log(coarse / constants.TILT_PIVOT_NM.value) + _ln_dust(len(redshift), rng, extinction_r)
    bands = np.array(constants.SDSS_EFFECTIVE_NM.value)
    for row, (mother, z) in enumerate(zip(parent, redshift, strict=True)):
        at = bands * (1 + z) / (1 + known.redshift[mother])
        ln_factor[row] += np.interp(coarse, at, residual[row])
    return np.asarray(np.exp(ln_factor).astype(np.float32) @ _refine())


def make(
    redshift: FloatArray,
    parent: NDArray[np.int64],
    rng: np.random.Generator,
    shares: FloatArray,
    *,
    extinction_r: FloatArray | None = None,
    other: Light | None = None,
) -> tuple[SingleArray, NDArray[np.int64], SingleArray]:
    """Make galaxies at `redshift` descending from `parent`, but for those of `other` types.

    With nuclei of these shares of the light at 500 nm at rest, behind this extinction in SDSS r or, if absent or NaN,
    SDSS's.

    Returns the observed light of stars and gas, which is extended, on `WAVELENGTH_NM`, shape (n, w), proportional to
    W m-2 nm-1; the rows of those with an active nucleus, shape (k,); and the nuclei's light, which comes from points,
    shape (k, w) on the same scale.
    """
    rest = rest_light(parent, rng, other)
    active, nucleus = nuclei(shares, rng)
    share = shares[active]
    at_500 = rest[active, np.argmin(np.abs(REST_WAVELENGTH_NM - 500.0))]
    rest[active] *= (1 - share).astype(np.float32)[:, None]
    nucleus *= (np.where(share > 0, share, 1) * at_500).astype(np.float32)[:, None]
    factor = smooth_factor(redshift, parent, rng, extinction_r, other)
    return (to_observer(rest, redshift) * factor, active, to_observer(nucleus, redshift[active]) * factor[active])
