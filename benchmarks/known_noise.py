"""Simulated galaxies without noise, and others with noise whose covariance is known: what `limit.py` compares."""

from dataclasses import dataclass

import numpy as np

from training.data.parts import PARTS
from training.simulation import brightness as magnitudes
from training.simulation import constants, noise, parts, population
from training.simulation.dataset import BLOCK_ROWS, Recipe, simulator
from training.simulation.instrument import BANDS, WINDOW_PX, Band, FloatArray, SingleArray, fit_matrix, kept_matrix

SEEDS = {"library": 51, "test": 52}


@dataclass(frozen=True, slots=True)
class Clean:
    """Galaxies without noise; arrays of n rows."""

    redshift: FloatArray
    window: dict[Band, SingleArray]
    """e-/s per pixel, shape (n, window)."""

    def samples(self) -> FloatArray:
        """Return the 186 samples, shape (n, 186)."""
        return np.concatenate([self.window[band] @ fit_matrix(band) @ kept_matrix(band) for band in BANDS], axis=1)


def clean(part: str, seed: int, index: int) -> tuple[Clean, np.random.Generator]:
    """Return the `index`-th block of a part's galaxies, and the generator for their observation."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(index,)))
    redshift = population.draw_redshift(BLOCK_ROWS, "survey", rng)
    seen = magnitudes.draw(redshift, rng)
    mine = np.flatnonzero(parts.parent_parts()[seen.parent] == PARTS.index(part))
    return Clean(redshift[mine], simulator().clean(redshift[mine], seen.rows(mine), rng)), rng


@dataclass(frozen=True, slots=True)
class Tests:
    """Test galaxies; arrays of n rows."""

    redshift: FloatArray
    flux: SingleArray
    """Shape (n, 186), as observed."""
    covariance: FloatArray
    """Covariance of its errors, shape (n, 186, 186), (e-/s)^2."""


def observe(count: int) -> Tests:
    """Return galaxies of the test part as observed by Gaia, and the covariances of their errors."""
    recipe = Recipe(BLOCK_ROWS, SEEDS["test"], coefficients=True)
    redshift, flux, covariance = [], [], []
    index = 0
    while sum(map(len, redshift)) < count:
        block, rng = clean("test", SEEDS["test"], index)
        nothing = np.zeros(len(block.redshift), np.int32)
        seen = simulator().observed(
            recipe, block.window, rng, redshift=block.redshift, parent_id=nothing, part=nothing, kind=nothing
        )
        redshift.append(block.redshift)
        flux.append(seen.flux)
        covariance.append(sample_covariance(block.window, seen.variance))
        index += 1
    return Tests(*(np.concatenate(parts_)[:count] for parts_ in (redshift, flux, covariance)))


def sample_covariance(window: dict[Band, SingleArray], variance: dict[Band, SingleArray]) -> FloatArray:
    """Return the covariance of the errors of `Simulator.observed`, (n, 186, 186): noise, background, calibration."""
    count, bounds = len(window["RP"]), np.cumsum([0, *(kept_matrix(band).shape[1] for band in BANDS)])
    total = np.zeros((count, bounds[-1], bounds[-1]))
    for band, start, stop in zip(BANDS, bounds, bounds[1:], strict=False):
        kept = kept_matrix(band)
        level = constants.BACKGROUND_OFFSET.value * fit_matrix(band).sum(axis=0)
        inner = noise.coefficient_covariance(band, variance[band]) + np.outer(level, level)
        for cycles in constants.CALIBRATION_CYCLES.value:
            for wave in (np.cos, np.sin):  # a random phase is a random mixture of the two
                swing = wave(2 * np.pi * cycles * WINDOW_PX) * constants.CALIBRATION_WIGGLE.value / np.sqrt(2)
                error = (window[band] * swing) @ fit_matrix(band)
                inner += error[:, :, None] * error[:, None, :]
        total[:, start:stop, start:stop] = kept.T @ inner @ kept
    return total
