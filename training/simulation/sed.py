"""Anybody's spectrum through Gaia's photometers: redshifted, and observed as the simulator observes its own galaxies.

>>> sed = read_sed(Path("starburst.txt"))  # doctest: +SKIP
>>> block = observe(sed, [0.05, 0.1, 0.2], Observation(magnitude=17.5, transits=40))  # doctest: +SKIP
>>> block.flux.shape  # doctest: +SKIP
(3, 186)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from gaia_redshift.errors import Detail, InvalidInputError
from training.data.kinds import KINDS
from training.data.parts import PARTS
from training.simulation import brightness, constants, population
from training.simulation.dataset import BLOCK_ROWS, Block, Recipe, simulator
from training.simulation.instrument import (
    BANDS,
    RELEASE,
    WAVELENGTH_NM,
    Band,
    FloatArray,
    SingleArray,
)
from training.simulation.noise import WINDOW_STEP_PX
from training.simulation.seen import on_window

COVERED_NM = (330.0, 1050.0)
"""Observed wavelengths that a spectrum must cover: the response is above 1% of its peak. Beyond, its ends go on."""

LARGEST_REDSHIFT = 10.0
LARGEST_EXTENT_PX = 20.0


@dataclass(frozen=True, slots=True)
class Sed:
    """A spectral energy distribution in the rest frame."""

    wavelength_nm: FloatArray
    """Shape (n,), increasing, vacuum."""
    flux: FloatArray
    """Shape (n,), per unit of wavelength, of any scale; not negative."""
    sentence: str = ""
    """What the file was taken for."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How a source is seen; what is None is drawn as the simulated survey has it."""

    magnitude: float | None = None
    """Brightness in `band`, mag (Vega); of the light in the windows, as for a point source."""
    band: Literal["G", "RP"] = "G"
    transits: int | None = None
    """How often Gaia's photometers saw it."""
    extent_px: float | None = None
    """Standard deviation in pixels along scan of a Gaussian that smears it, 0 for a point source, at most 20."""


def check_observation(seen: Observation) -> None:
    """Raise InvalidInputError if a number is out of range."""
    low, high = constants.TRANSITS_RANGE.value
    if seen.magnitude is not None and not 0 < seen.magnitude < 25:
        raise InvalidInputError(f"--magnitude must be between 0 and 25, not {seen.magnitude:g}")
    if seen.transits is not None and not low <= seen.transits <= high:
        raise InvalidInputError(f"--transits must be from {low} to {high}, not {seen.transits}")
    if seen.extent_px is not None and not 0 <= seen.extent_px <= LARGEST_EXTENT_PX:
        raise InvalidInputError(
            f"--extent must be from 0 (a point source) to {LARGEST_EXTENT_PX:g} px, not {seen.extent_px:g}"
        )


def observe(
    sed: Sed,
    redshift: Sequence[float] | FloatArray,
    seen: Observation | None = None,
    seed: int | np.random.SeedSequence = 1,
    *,
    coefficients: bool = False,
    release: str = RELEASE,
) -> Block:
    """Return simulated Gaia spectra of one spectral energy distribution, one at each redshift.

    Parameters
    ----------
    sed : Sed
        Rest frame, without the Milky Way's dust, which is not added.
    redshift : sequence of float, shape (n,)
        From 0 to 10; one that is named twice is observed twice.
    seen : Observation, optional
        All drawn if absent.
    seed : int or SeedSequence
        Of what is drawn, noise among it.
    coefficients : bool
        Keep the coefficients too.
    release : str
        Of Gaia, whose instrument it is.

    Returns
    -------
    Block
        ``flux`` of shape (n, 186) in e-/s per sample, G magnitudes, signal-to-noise ratios, transits; ``ebv`` is 0.

    Raises
    ------
    InvalidInputError
        If a redshift or an option is out of range, or the spectrum does not cover 330 to 1050 nm there.
    """
    seen = seen or Observation()
    check_observation(seen)
    z = np.asarray(redshift, np.float64)
    rng = np.random.default_rng(seed)
    light = observed_light(sed, z)
    light /= light.mean(axis=1, keepdims=True)
    model, count = simulator(release), len(z)
    others = brightness.draw(np.minimum(z, population.REDSHIFT_LIMIT), rng)
    no_nucleus = np.empty(0, np.int64), light[:0]
    smear = None if seen.extent_px is None else dict.fromkeys(BANDS, _extent(seen.extent_px, count))
    window = on_window(z, others, (light, *no_nucleus), (model.forward, model.scale), rng, smear=smear)
    window = model.bounded(window) if seen.magnitude is None else _as_bright(window, seen.magnitude, seen.band)
    transits = None if seen.transits is None else np.full(count, seen.transits, np.int16)
    return model.observed(
        Recipe(count, 0, coefficients=coefficients, release=release),
        window,
        rng,
        transits,
        redshift=z,
        parent_id=np.full(count, -1, np.int32),
        part=np.full(count, PARTS.index("test"), np.int8),
        kind=np.full(count, KINDS.index("galaxy"), np.int8),
        ebv=np.zeros(count, np.float32),
    )


def observe_many(sed: Sed, redshift: Sequence[float], seen: Observation, recipe: Recipe) -> Iterator[Block]:
    """Yield blocks of `recipe.count` observations, which take the redshifts in turn; raises as `observe`."""
    check_observation(seen)
    observed_light(sed, np.asarray(redshift, np.float64))
    every = np.resize(np.asarray(redshift, np.float64), recipe.count)

    def blocks() -> Iterator[Block]:
        for index, start in enumerate(range(0, recipe.count, BLOCK_ROWS)):
            seeds = np.random.SeedSequence(recipe.seed, spawn_key=(index,))
            part = every[start : start + BLOCK_ROWS]
            yield observe(sed, part, seen, seeds, coefficients=recipe.coefficients, release=recipe.release)

    return blocks()


def observed_light(sed: Sed, redshift: FloatArray) -> SingleArray:
    """Return the light at each redshift on `WAVELENGTH_NM`, averaged over its cells, shape (n, wavelengths).

    Raises InvalidInputError if a redshift is out of range, or the spectrum does not cover what Gaia sees of it.
    """
    wrong = ~((redshift >= 0) & (redshift <= LARGEST_REDSHIFT))
    if wrong.any() or not len(redshift):
        named = f", not {redshift[wrong][0]:g}" if len(redshift) else ""
        raise InvalidInputError(f"--redshift must be numbers from 0 to {LARGEST_REDSHIFT:g} with --sed{named}")
    low, high = sed.wavelength_nm[[0, -1]]
    short = (low * (1 + redshift) > COVERED_NM[0]) | (high * (1 + redshift) < COVERED_NM[1])
    if short.any():
        z = redshift[short][0]
        first, last = max(0.0, COVERED_NM[1] / high - 1), COVERED_NM[0] / low - 1
        way = f"extend it, or choose redshifts from {first:.3f} to {last:.3f}" if first <= last else "extend it"
        raise InvalidInputError(
            f"the spectrum covers {low:g} to {high:g} nm at rest, which is {low * (1 + z):.4g} to "
            f"{high * (1 + z):.4g} nm at redshift {z:g}: Gaia sees {COVERED_NM[0]:g} to {COVERED_NM[1]:g} nm; {way}",
            [Detail(f"redshift {one:g}", "not covered") for one in redshift[short]],
        )
    edges = np.sqrt(WAVELENGTH_NM[1:] * WAVELENGTH_NM[:-1])
    edges = np.concatenate([[WAVELENGTH_NM[0]], edges, [WAVELENGTH_NM[-1]]])
    made = np.empty((len(redshift), len(WAVELENGTH_NM)), np.float32)
    for row, z in enumerate(redshift):
        # The integral of the light is linear between the corners of cells and points together: a narrow line keeps its
        # flux, and a coarse continuum its slope.
        corners = np.union1d(edges, sed.wavelength_nm * (1 + z))
        light = np.interp(corners, sed.wavelength_nm * (1 + z), sed.flux)
        below = np.concatenate([[0.0], np.cumsum((light[1:] + light[:-1]) / 2 * np.diff(corners))])
        made[row] = np.diff(np.interp(edges, corners, below)) / np.diff(edges)
    if not (made.max(axis=1) > 0).all():
        raise InvalidInputError("the spectrum has no light where Gaia sees it")
    return made


def _extent(sigma_px: float, count: int) -> SingleArray:
    """Return the shares of the two nearest widths whose mixture has this standard deviation, shape (count, 8)."""
    squares = np.square(constants.SMEAR_SIGMA_PX.value)
    weight = np.zeros(len(squares), np.float32)
    upper = min(int(np.searchsorted(squares, sigma_px**2, side="right")), len(squares) - 1)
    share = (sigma_px**2 - squares[upper - 1]) / (squares[upper] - squares[upper - 1])
    weight[[upper - 1, upper]] = 1 - share, share
    return np.tile(weight, (count, 1))


def _as_bright(window: dict[Band, SingleArray], magnitude: float, band: Literal["G", "RP"]) -> dict[Band, SingleArray]:
    """Return sources of one magnitude."""
    total = {name: values.sum(axis=1, dtype=np.float64) * WINDOW_STEP_PX for name, values in window.items()}
    if band == "G":
        now = population.magnitude(total["BP"], total["RP"])
    else:
        now = constants.ZERO_POINT.value["RP"] - 2.5 * np.log10(total["RP"])
    scale = 10 ** (0.4 * (now - magnitude))[:, None]
    return {name: (flux * scale).astype(np.float32) for name, flux in window.items()}
