"""Galaxies beyond SDSS's: of other types, brighter or fainter at their size, behind more dust, with cores of their own.

SDSS took what is bright and, far away, red, in the clean part of the sky. Gaia sees the rest too.
They have no real parents here: the light of most of them is any mixture of the five templates, with lines and a slope
of its own.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.simulation import constants
from training.simulation.brightness import Seen
from training.simulation.galaxies import Light
from training.simulation.instrument import FloatArray
from training.simulation.sizes import half_light_radius


@dataclass(frozen=True, slots=True)
class Beyond:
    """How k of n galaxies differ from SDSS's."""

    rows: NDArray[np.int64]
    """Which they are, shape (k,)."""
    fainter: FloatArray
    """How much fainter they are, mag, shape (k,)."""
    bulge_share: FloatArray
    """Bulges' share of their light, shape (k,)."""
    bulge_factor: FloatArray
    """Factor by which their bulges are larger than others', shape (k,)."""
    ebv: FloatArray
    """E(B-V) of the Milky Way's dust in front, mag, shape (k,), where no range is asked for."""
    light: Light
    """Light of those that are of another type."""

    def dust(self, count: int) -> FloatArray:
        """Return the E(B-V) of all n galaxies, NaN for the others."""
        ebv = np.full(count, np.nan)
        ebv[self.rows] = self.ebv
        return ebv

    def changed(self, seen: Seen) -> Seen:
        """Return all n galaxies with the brightness and the cores of these changed."""
        shapes = seen.shapes
        apparent, share, radius = seen.apparent.copy(), shapes.bulge_share.copy(), shapes.bulge_radius.copy()
        apparent[self.rows] += self.fainter
        share[self.rows] = self.bulge_share
        radius[self.rows] *= self.bulge_factor
        disc = shapes.disc_radius * np.sqrt(shapes.disc_axis_ratio)
        half_light = disc * half_light_radius(share, radius * np.sqrt(shapes.bulge_axis_ratio) / disc)
        half_light = np.where(np.isin(np.arange(len(seen)), self.rows), half_light, shapes.half_light)
        shapes = replace(shapes, bulge_share=share, bulge_radius=radius, half_light=half_light)
        return replace(seen, apparent=apparent, shapes=shapes)


@dataclass(frozen=True, slots=True)
class Given:
    """What is not drawn of n galaxies, but given."""

    ebv: FloatArray | None = None
    """E(B-V) of the dust in front, mag, shape (n,); where NaN, drawn as SDSS's galaxies have it."""
    light: Light | None = None
    """Light that is not the parents'."""

    def rows(self, kept: NDArray[np.int64]) -> "Given":
        """Return what is given of some galaxies, `kept` ascending."""
        return Given(
            None if self.ebv is None else self.ebv[kept],
            self.light.among(kept) if self.light else None,
        )


NOTHING_GIVEN = Given()


def draw(share: float, count: int, seed: int, block: int) -> Beyond:
    """Draw which galaxies of a block are such, apart from all else that is drawn for it, and what they are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, 2)))
    rows = np.flatnonzero(rng.random(count) < share)
    size = len(rows)
    other = rows[rng.random(size) < constants.BEYOND_TYPES.value]
    mean, scatter = constants.BEYOND_BULGE.value
    fainter = constants.BEYOND_BRIGHTNESS.value * rng.standard_normal(size)
    bulge_share, bulge_factor = rng.random(size), np.exp(mean + scatter * rng.standard_normal(size))
    light = Light(
        other,
        rng.dirichlet(constants.BEYOND_TEMPLATES.value, len(other)),
        np.exp(constants.BEYOND_LINES.value * rng.standard_normal(len(other))),
        constants.BEYOND_TILT.value * rng.standard_normal(len(other)),
    )
    return Beyond(rows, fainter, bulge_share, bulge_factor, rng.uniform(0, constants.BEYOND_EBV.value, size), light)
