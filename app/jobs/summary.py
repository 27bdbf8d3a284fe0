"""What all rows of a job, or those that fit some filters, look like together. Imports its neighbours."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from numpy.typing import NDArray
from pyarrow import compute

from app.jobs.rows import BRIGHTNESS, ROW, Rows

MOST_POINTS = 2000
"""Galaxies that a diagram shows: more would lie on each other, and a page draws so many at once."""
MOST_STACKED = 1000
"""Galaxies whose densities are stacked: their sum is smooth then, and they take a tenth of a second."""
MOST_INFERRED = 5000
"""Galaxies of which n(z) is inferred: to 3% where most of them lie, in half a second. `gaia-redshift nz` takes all."""
_BIN_WIDTH = 0.01
_LEAST_BINS = 30
"""Few galaxies' densities are wider than their estimates."""
_MOST_BINS = 200


class Summary(NamedTuple):
    """Counts, and evenly chosen rows."""

    matched: int
    counts: dict[str, Any]
    stacked: NDArray[np.int64]
    """Rows whose densities stand for those of all."""


def summarise(rows: Rows, filters: Sequence[str]) -> Summary:
    """Summarise the rows that fit all filters.

    Parameters
    ----------
    rows : Rows
        At least one.
    filters : sequence of str
        As `Rows.page` takes them.

    Raises
    ------
    InvalidRequestError
        If a filter is none.
    """
    found = rows.matching([ROW, BRIGHTNESS, "redshift", "quality", "status", "error"], filters)
    edges = _edges(rows.matching(["redshift"])["redshift"])
    good = found.filter(compute.is_valid(found["redshift"]))
    z = good["redshift"].to_numpy()
    points = good.take(_evenly(len(good), MOST_POINTS))
    counts = {
        "status": _count(found["status"]),
        "errors": _count(compute.list_element(compute.split_pattern(found["error"], ": ", max_splits=1), 0)),
        "flags": _flags(good["quality"]),
        "histogram": {"edges": edges, "counts": np.histogram(z, edges)[0]},
        "points": {name: points[name].to_pylist() for name in (ROW, "redshift", BRIGHTNESS)},
    }
    return Summary(len(found), counts, good[ROW].take(_evenly(len(good), MOST_STACKED)).to_numpy())


def sample(rows: Rows) -> NDArray[np.int64]:
    """Return the numbers of the rows of which n(z) is inferred: evenly chosen of those with a redshift."""
    found = rows.matching([ROW, "redshift"])
    numbers = found.filter(compute.is_valid(found["redshift"]))[ROW]
    chosen: NDArray[np.int64] = numbers.take(_evenly(len(numbers), MOST_INFERRED)).to_numpy()
    return chosen


def _evenly(rows: int, most: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).round().astype(np.int64)) if rows else np.arange(0)


def _edges(redshifts: pyarrow.ChunkedArray) -> NDArray[np.float64]:
    """Return bins that hold the redshifts of all rows, whatever is chosen among them."""
    extent = compute.min_max(redshifts).as_py()
    low = int(np.floor(min(0.0, extent["min"] or 0.0) / _BIN_WIDTH))
    high = max(low + _LEAST_BINS, int(np.floor((extent["max"] or 0.0) / _BIN_WIDTH)) + 1)
    edges: NDArray[np.float64] = np.linspace(low, high, min(high - low, _MOST_BINS) + 1) * _BIN_WIDTH
    return edges.round(6)


def _count(words: pyarrow.ChunkedArray) -> dict[str, int]:
    counted = compute.value_counts(words.drop_null()).to_pylist()
    return {one["values"]: one["counts"] for one in sorted(counted, key=lambda one: -one["counts"])}


def _flags(quality: pyarrow.ChunkedArray) -> dict[str, int]:
    """Return how many rows have each flag; those with none under an empty name."""
    flags: Counter[str] = Counter()
    for words, count in _count(quality).items():
        for word in words.split("|"):
            flags[word] += count
    return dict(flags.most_common())
