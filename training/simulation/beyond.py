"""Galaxies beyond SDSS's: of other types, brighter or fainter at their size, with cores of their own.

SDSS took what is bright and, far away, red. Gaia sees late types, irregulars and starbursts too, and fainter galaxies.
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


@dataclass(frozen=True, slots=True)
class Beyond:
    """How k of n galaxies differ from SDSS's."""

    rows: NDArray[np.int64]
    """Which they are, shape (k,)."""
    fainter: FloatArray
    """By how much, mag, shape (k,)."""
    bulge_share: FloatArray
    """Of their light, shape (k,)."""
    bulge_factor: FloatArray
    """By which their bulges are larger than others', shape (k,)."""
    light: Light
    """Of those that are of another type."""

    def changed(self, seen: Seen) -> Seen:
        """Return all n galaxies with the brightness and the cores of these changed."""
        shapes = seen.shapes
        apparent, share, radius = seen.apparent.copy(), shapes.bulge_share.copy(), shapes.bulge_radius.copy()
        apparent[self.rows] += self.fainter
        share[self.rows] = self.bulge_share
        radius[self.rows] *= self.bulge_factor
        return replace(seen, apparent=apparent, shapes=replace(shapes, bulge_share=share, bulge_radius=radius))


def draw(share: float, count: int, seed: int, block: int) -> Beyond:
    """Draw which galaxies of a block are such, apart from all else that is drawn for it, and what they are."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(block, 2)))
    rows = np.flatnonzero(rng.random(count) < share)
    size = len(rows)
    other = rows[rng.random(size) < constants.BEYOND_TYPES.value]
    mean, scatter = constants.BEYOND_BULGE.value
    return Beyond(
        rows,
        constants.BEYOND_BRIGHTNESS.value * rng.standard_normal(size),
        rng.random(size),
        np.exp(mean + scatter * rng.standard_normal(size)),
        Light(
            other,
            rng.dirichlet(constants.BEYOND_TEMPLATES.value, len(other)),
            np.exp(constants.BEYOND_LINES.value * rng.standard_normal(len(other))),
            constants.BEYOND_TILT.value * rng.standard_normal(len(other)),
        ),
    )
