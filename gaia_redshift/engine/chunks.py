"""Spectra through a network in chunks of fixed sizes. Imports `bundle`, `errors` and `spectra` of the project.

Larger chunks than a processor can use gain nothing, and their memory grows without bound (docs/performance.md).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from gaia_redshift.bundle import Bundle
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.spectra import FloatArray

CPU_CHUNK = 64

GPU_CHUNKS = (256, 1024, 4096, 16_384, 65_536)
"""The sizes that are tried on a GPU."""

_WORTH = 1.1
"""A larger chunk must be this much faster: it makes small requests wait for longer."""

Run = Callable[[FloatArray], Iterable[FloatArray]]
"""A network: fluxes of shape (n, 186) to its outputs, each (n,) or (n, width)."""


def run_in_chunks(
    flux: FloatArray, chunk: int, widths: Mapping[str, int], run: Run, *, sizes: Sequence[int] = ()
) -> FloatArray:
    """Run the network over chunks of `flux` and place its outputs, named by `widths`, side by side.

    A runtime that compiles for each number of rows names the `sizes` it knows: the rest of `flux` is filled up with
    zeros to the next of them.
    """
    output = np.empty((len(flux), sum(widths.values())), np.float32)
    for start in range(0, len(flux), chunk):
        part = np.ascontiguousarray(flux[start : start + chunk], dtype=np.float32)
        rows = len(part)
        full = next((size for size in sizes if size >= rows), rows)
        if full > rows:
            part = np.concatenate([part, np.zeros((full - rows, part.shape[1]), np.float32)])
        column = 0
        for (name, width), values in zip(widths.items(), run(part), strict=True):
            if values.size != full * width:
                raise InvalidBundleError(
                    f"the network's {name} has shape {values.shape} for {full} spectra, not ({full}, {width})"
                )
            output[start : start + rows, column : column + width] = values.reshape(full, width)[:rows]
            column += width
    return output


def sizes_up_to(chunk: int) -> tuple[int, ...]:
    """Return the numbers of rows to compile for: 1, 4, 16 ... and `chunk`; no more than 3 of 4 rows are filling."""
    sizes = [1]
    while 4 * sizes[-1] < chunk:
        sizes.append(4 * sizes[-1])
    return (*sizes, chunk)


def choose_chunk(seconds: Callable[[int], float], candidates: Sequence[int]) -> int:
    """Return the smallest chunk that is about as fast, per spectrum, as any that fits into memory.

    Parameters
    ----------
    seconds : callable
        Runs a chunk of so many spectra and returns how long it took; raises MemoryError if it does not fit.
    candidates : sequence of int
        Increasing.

    Raises
    ------
    MemoryError
        If not even the first fits.
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


def refuse_missing(bundle: Bundle, file: str, found: Iterable[str]) -> None:
    """Raise InvalidBundleError if the network lacks an output that its manifest tells of."""
    missing = bundle.output_widths.keys() - set(found)
    if missing:
        raise InvalidBundleError(
            f"{bundle.manifest.name}/{file}: the network has no output {', '.join(sorted(missing))}, "
            f"which a {bundle.manifest.output} model needs"
        )
