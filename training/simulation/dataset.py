"""Whole datasets of simulated spectra: in blocks, seeded one by one, over as many processes as wanted.

A block is the same whoever computes it, so a seed gives one dataset whatever the number of workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.kinds import KINDS, Kind
from training.simulation import (
    beyond,
    brightness,
    constants,
    contaminants,
    extinction,
    galaxies,
    noise,
    parts,
    population,
)
from training.simulation.beyond import NOTHING_GIVEN, Given
from training.simulation.instrument import (
    BANDS,
    NATIVE_PX,
    RELEASE,
    WINDOW_PX,
    Band,
    FloatArray,
    SingleArray,
    as_points,
    fit_matrix,
    kept_matrix,
    light_per_pixel,
    to_modes,
    window_flux,
)
from training.simulation.pool import in_order
from training.simulation.seen import on_window

SIMULATOR_VERSION = "3.1"
"""Part of every dataset's metadata; raise it with any change that alters a simulated flux."""

BLOCK_ROWS = 2000


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a dataset depends on."""

    count: int
    seed: int
    distribution: population.RedshiftDistribution = "survey"
    kinds: tuple[Kind, ...] = ("galaxy",)
    """Each row is one of these, with equal chances."""
    coefficients: bool = False
    """Keep the coefficients and their noise, for archive-like files."""
    sed: str = ""
    """Name of the file whose spectrum is observed instead of galaxies; then the redshifts are given, not drawn."""
    release: str = RELEASE
    """Of Gaia, whose instrument is simulated."""
    ebv: tuple[float, float] | None = None
    """E(B-V) in front of galaxies, mag, uniform in this range; if None, galaxies have the dust of SDSS's."""
    beyond: float = 0.0
    """Share of galaxies, in blends too, that are unlike SDSS's."""


@dataclass(frozen=True, slots=True)
class Block:
    """Simulated spectra; arrays of n rows."""

    redshift: FloatArray
    """NaN for stars and blank sky."""
    flux: SingleArray
    """Shape (n, 186), e-/s per sample."""
    parent_id: NDArray[np.int32]
    """Minus one where there is no parent galaxy."""
    part: NDArray[np.int8]
    """Index into `training.data.parts.PARTS`."""
    magnitude: SingleArray
    snr: dict[Band, SingleArray]
    """Median over a band's kept samples of noise-free flux over its standard error."""
    transits: NDArray[np.int16]
    kind: NDArray[np.int8]
    """Index into `training.data.kinds.KINDS`."""
    coefficients: dict[Band, SingleArray]
    """Shape (n, coefficients), e-/s; empty unless asked for."""
    variance: dict[Band, SingleArray]
    """The detector noise behind them, shape (n, window); empty unless asked for."""
    ebv: SingleArray | None = None
    """E(B-V) in front of galaxies, mag, NaN elsewhere; None unless it is known: a range was asked for, or a spectrum
    of one's own is observed."""
    beyond: NDArray[np.bool_] | None = None
    """Which galaxies are unlike SDSS's; None unless a share was asked for."""
    truth: dict[str, SingleArray] = field(default_factory=dict)
    """What `brightness.Seen.truth` says of each galaxy, NaN for others; empty for a spectrum of one's own."""

    def __len__(self) -> int:
        return len(self.redshift)


def _forward(release: str) -> tuple[dict[Band, SingleArray], float]:
    """Return the matrices from light on `WAVELENGTH_NM` to e-/s per pixel on `NATIVE_PX`, up to one scale."""
    matrices = {band: light_per_pixel(band, NATIVE_PX, release=release).T for band in BANDS}
    # Brightness comes later: a common factor keeps single precision away from its limits.
    scale = max(matrix.max() for matrix in matrices.values())
    return {band: (matrix / scale).astype(np.float32) for band, matrix in matrices.items()}, float(scale)


class Simulator:
    """The forward model with its matrices at hand.

    Parameters
    ----------
    release : str
        Of Gaia, whose instrument it is.
    """

    def __init__(self, release: str = RELEASE) -> None:
        self.release = release
        self.forward, self.scale = _forward(release)

    def clean(
        self, redshift: FloatArray, seen: brightness.Seen, rng: np.random.Generator, given: Given = NOTHING_GIVEN
    ) -> dict[Band, SingleArray]:
        """Return noise-free e-/s per pixel on the window, per band, no brighter in either than any real galaxy.

        Dust of a given colour excess also dims; that of SDSS's galaxies, drawn if absent, is in the brightnesses.
        """
        dust = None if given.ebv is None else extinction.in_r(given.ebv)
        light = galaxies.make(redshift, seen.parent, rng, seen.nucleus, extinction_r=dust, other=given.light)
        window = self.bounded(on_window(redshift, seen, light, (self.forward, self.scale), rng))
        if given.ebv is None:
            return window
        return {band: flux * extinction.fainter_in_r(given.ebv) for band, flux in window.items()}

    def bounded(self, window: dict[Band, SingleArray]) -> dict[Band, SingleArray]:
        """Return galaxies no brighter in either band than any real one."""
        peak = np.maximum(*(brightest(window[band], band, self.release) for band in BANDS))
        return {band: flux * np.minimum(1, constants.PEAK_LIMIT.value / peak) for band, flux in window.items()}

    def points(self, light: SingleArray, shift: FloatArray) -> dict[Band, SingleArray]:
        """Return point sources on the window, per band, with RP peaks of one."""
        window = {}
        for band in BANDS:
            moved = (shift + constants.SAMPLE_OFFSET_PX.value[band]).astype(np.float32)
            window[band] = window_flux(as_points(to_modes(light @ self.forward[band]), moved))
        peak = brightest(window["RP"], release=self.release)
        return {band: flux / peak for band, flux in window.items()}

    def everything(
        self,
        kind: NDArray[np.int8],
        redshift: FloatArray,
        seen: brightness.Seen,
        rng: np.random.Generator,
        given: Given = NOTHING_GIVEN,
    ) -> dict[Band, SingleArray]:
        """Return noise-free e-/s per pixel on the window of sources of all kinds; sky is zero.

        What is `given` is of galaxies and those in blends.
        """
        window = {band: np.zeros((len(kind), len(WINDOW_PX)), dtype=np.float32) for band in BANDS}
        galaxy, star, quasar, blend = (
            np.flatnonzero(kind == KINDS.index(name)) for name in ("galaxy", "star", "quasar", "blend")
        )
        extended = np.sort(np.concatenate([galaxy, blend]))
        own = self.clean(redshift[extended], seen.rows(extended), rng, given.rows(extended))
        somewhere = population.draw_redshift(len(kind), "survey", rng)
        peaks = population.draw_peak(somewhere, rng).astype(np.float32)[:, None]
        stars = self.points(contaminants.star_light(len(star), rng), np.zeros(len(star)))
        quasars = self.points(contaminants.quasar_light(redshift[quasar], rng), np.zeros(len(quasar)))
        offset = rng.normal(0, constants.BLEND_OFFSET_PX.value, len(blend))
        in_front = self.points(contaminants.star_light(len(blend), rng), offset)
        share = rng.uniform(*constants.BLEND_SHARE.value, (len(blend), 1)).astype(np.float32)
        peak = np.ones((len(kind), 1), dtype=np.float32)
        peak[extended] = brightest(own["RP"], release=self.release)
        for band in BANDS:
            window[band][extended] = own[band]
            window[band][star] = stars[band] * peaks[star]
            window[band][quasar] = quasars[band] * peaks[quasar]
            window[band][blend] = window[band][blend] * (1 - share) + in_front[band] * share * peak[blend]
        return window

    def block(self, recipe: Recipe, index: int) -> Block:
        """Return the `index`-th block of a dataset."""
        rng = np.random.default_rng(np.random.SeedSequence(recipe.seed, spawn_key=(index,)))
        count = min(BLOCK_ROWS, recipe.count - index * BLOCK_ROWS)
        redshift = population.draw_redshift(count, recipe.distribution, rng)
        seen = brightness.draw(redshift, rng)
        parent_id, part = galaxies.parents().parent_id[seen.parent], parts.parent_parts()[seen.parent]
        kind = np.full(count, KINDS.index("galaxy"), dtype=np.int8)
        ebv = None if recipe.ebv is None else extinction.draw(recipe.ebv, count, recipe.seed, index)
        others = beyond.draw(recipe.beyond, count, recipe.seed, index) if recipe.beyond else None
        seen = others.changed(seen) if others else seen
        truth = seen.truth()
        dust = others.dust(count) if others and ebv is None else ebv
        given = Given(dust, others.light if others else None)
        if recipe.kinds == ("galaxy",):
            window = self.clean(redshift, seen, rng, given)
        else:
            kind = np.array([KINDS.index(name) for name in recipe.kinds], dtype=np.int8)
            kind = kind[rng.integers(len(recipe.kinds), size=count)]
            alone = np.isin(kind, [KINDS.index(name) for name in ("star", "quasar", "sky")])
            far = rng.uniform(*constants.QUASAR_REDSHIFT.value, count)
            redshift = np.where(alone, np.where(kind == KINDS.index("quasar"), far, np.nan), redshift)
            parent_id = np.where(alone, -1, parent_id).astype(np.int32)
            part = np.where(alone, parts.draw(count, rng), part).astype(np.int8)
            truth = {name: np.where(alone, np.float32("nan"), values) for name, values in truth.items()}
            window = self.everything(kind, redshift, seen, rng, given)
        made = self.observed(
            recipe, window, rng, redshift=redshift, parent_id=parent_id, part=part, kind=kind, truth=truth
        )
        if others is not None:
            made = replace(made, beyond=np.isin(np.arange(count), others.rows) & extinction.behind(kind))
        return made if ebv is None else replace(made, ebv=extinction.of_galaxies(ebv, kind))

    def observed(
        self,
        recipe: Recipe,
        window: dict[Band, SingleArray],
        rng: np.random.Generator,
        transits: NDArray[np.int16] | None = None,
        **known: Any,
    ) -> Block:
        """Add calibration errors and noise, and sample; the number of transits is drawn if absent."""
        count = len(window["RP"])
        transits = population.draw_transits(count, rng) if transits is None else transits
        excess = noise.draw_excess(count, rng)
        flux, snr, fitted, spread = {}, {}, {}, {}
        for band in BANDS:
            variance = noise.pixel_variance(band, window[band], transits, excess)
            clean = (window[band] * noise.calibration(count, rng)) @ fit_matrix(band, self.release).astype(np.float32)
            coefficients = clean + noise.draw_coefficients(band, variance, rng, self.release)
            samples = kept_matrix(band, self.release).astype(np.float32)
            flux[band] = coefficients @ samples
            error = noise.sample_error(band, variance, self.release)
            snr[band] = np.median((clean @ samples) / error, axis=1).astype(np.float32)
            if recipe.coefficients:
                fitted[band], spread[band] = coefficients, variance
        total = {band: values.sum(axis=1, dtype=np.float64) * noise.WINDOW_STEP_PX for band, values in window.items()}
        return Block(
            flux=np.concatenate([flux[band] for band in BANDS], axis=1),
            magnitude=population.magnitude(total["BP"], total["RP"]).astype(np.float32),
            snr=snr,
            transits=transits,
            coefficients=fitted,
            variance=spread,
            **known,
        )


def brightest(window: SingleArray, band: Band = "RP", release: str = RELEASE) -> SingleArray:
    """Return the peak in e-/s per sample of fluxes on one band's window, shape (n, 1)."""
    samples = (fit_matrix(band, release) @ kept_matrix(band, release)).astype(np.float32)
    return np.asarray((window @ samples).max(axis=1, keepdims=True))


@cache
def simulator(release: str = RELEASE) -> Simulator:
    """Return this process's simulator of a release, made on first use: a worker keeps its matrices between blocks."""
    return Simulator(release)


def _block(recipe: Recipe, index: int) -> Block:
    return simulator(recipe.release).block(recipe, index)


def simulate(recipe: Recipe, workers: int = 1) -> Iterator[Block]:
    """Yield a dataset block by block, in order, from so many processes.

    At most two blocks per worker wait in memory, however slow the reader.
    """
    blocks = -(-recipe.count // BLOCK_ROWS)
    if blocks == 1:
        yield _block(recipe, 0)
        return
    yield from in_order(partial(_block, recipe), blocks, workers)
