"""Running a compiled graph in chunks of fixed sizes. Imports `bundle`, `errors`, `interpretation`, `spectra`.

Beyond a certain size, larger chunks are not faster and only take more memory (docs/performance.md).
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import Bundle
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import FloatArray

CPU_CHUNK = 64

GPU_CHUNKS = (256, 1024, 4096, 16_384, 65_536)
"""Chunk sizes tried on a GPU."""

_WORTH = 1.1
"""A larger chunk must be faster by this factor, since it makes small requests wait longer."""

PriorIndex = NDArray[np.int32]

Run = Callable[[FloatArray, PriorIndex | None], Sequence[NDArray[np.generic]]]
"""A graph: takes fluxes of shape (n, samples) and prior indices, (n,) or None; returns outputs by `output_shapes`."""


def output_shapes(bundle: Bundle, *, pdf: bool) -> dict[str, tuple[int, ...]]:
    """Return the shape of each output for one spectrum, in the order in which the outputs are requested."""
    shapes: dict[str, tuple[int, ...]] = {"redshift": (len(COLUMNS),), "quality": ()}
    return shapes | ({"pdf": (len(bundle.bins.widths),)} if pdf and bundle.bins else {})


def run_in_chunks(
    flux: FloatArray,
    prior_index: PriorIndex | None,
    chunk: int,
    shapes: Mapping[str, tuple[int, ...]],
    run: Run,
    *,
    sizes: Sequence[int] = (),
) -> Redshifts:
    """Run a graph over chunks of `flux`, whose outputs have `shapes` for each spectrum.

    For a runtime that compiles for each number of rows, `sizes` are the compiled ones: the last chunk is padded with
    zeros to the next of them.
    """
    values, flags = np.empty((len(flux), len(COLUMNS))), np.empty(len(flux), np.int32)
    pdf = np.empty((len(flux), *shapes["pdf"])) if "pdf" in shapes else None
    outputs: list[NDArray[np.generic]] = [values, flags, *([] if pdf is None else [pdf])]
    for start in range(0, len(flux), chunk):
        rows = slice(start, start + chunk)
        part = np.ascontiguousarray(flux[rows], dtype=np.float32)
        index = None if prior_index is None else prior_index[rows]
        count = len(part)
        full = next((size for size in sizes if size >= count), count)
        if full > count:
            part = np.concatenate([part, np.zeros((full - count, part.shape[1]), np.float32)])
            index = None if index is None else np.concatenate([index, np.zeros(full - count, np.int32)])
        for (name, shape), output, found in zip(shapes.items(), outputs, run(part, index), strict=True):
            if found.shape != (full, *shape):
                raise InvalidBundleError(
                    f"the graph's {name} has shape {found.shape} for {full} spectra, not {(full, *shape)}"
                )
            output[rows] = found[:count]
    return Redshifts(values, flags, pdf)


def sizes_up_to(chunk: int) -> tuple[int, ...]:
    """Return the numbers of rows to compile for: 1, 4, 16 ... and `chunk`; at most 3 of 4 rows are padding."""
    sizes = [1]
    while 4 * sizes[-1] < chunk:
        sizes.append(4 * sizes[-1])
    return (*sizes, chunk)


def choose_chunk(seconds: Callable[[int], float], candidates: Sequence[int]) -> int:
    """Return the smallest chunk that is nearly as fast per spectrum as any that fits into memory.

    Parameters
    ----------
    seconds : callable
        Runs a chunk of this many spectra and returns the time in s; raises MemoryError if it does not fit.
    candidates : sequence of int
        Increasing.

    Raises
    ------
    MemoryError
        If not even the first fits into memory.
    """
    best, rate = candidates[0], candidates[0] / seconds(candidates[0])
    for chunk in candidates[1:]:
        try:
            found = chunk / seconds(chunk)
        except MemoryError:
            break
        if found > _WORTH * rate:
            best, rate = chunk, found
    return best
