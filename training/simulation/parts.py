"""Which part of a dataset a parent galaxy belongs to: fixed by a hash, so no parent is ever in two parts."""

import hashlib
from functools import cache

import numpy as np
from numpy.typing import NDArray

from training.data.parts import PARTS, PERCENT
from training.simulation.galaxies import parents

_PERCENT = tuple(PERCENT.values())


def part_of(parent_id: int) -> str:
    """Return the part of one parent galaxy."""
    digest = hashlib.sha256(f"gaia-redshift parent {parent_id}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") % 100
    return PARTS[int(np.searchsorted(np.cumsum(_PERCENT), place, side="right"))]


@cache
def parent_parts() -> NDArray[np.int8]:
    """Return the index into `PARTS` of every row of `galaxies.parents`."""
    return np.array([PARTS.index(part_of(int(identity))) for identity in parents().parent_id], dtype=np.int8)


def draw(count: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Draw parts for what has no parent: stars, quasars and blank sky."""
    return rng.choice(len(PARTS), size=count, p=np.array(_PERCENT) / 100).astype(np.int8)
