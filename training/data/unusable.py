"""Rows that cannot be used: not finite, out of range, or duplicates. Imports numpy alone."""

from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra import FloatArray

REDSHIFT_RANGE = (0.0, 0.6)
"""Kiraleos 2023, section 3.1: beyond 0.6 the survey holds too few galaxies to learn from."""

Rows = NDArray[np.bool_]


def unusable(flux: FloatArray, redshift: FloatArray, source_id: NDArray[np.str_] | None) -> dict[str, Rows]:
    """Return the rows that cannot be used, by reason.

    Of duplicates the first is usable: a second one would count twice, and in the test part it would make the test too
    easy. Fluxes have shape (n, 186), the other columns (n,); a source_id is empty where a row has none. Returned are
    the reasons that at least one row has, in words, and masks of shape (n,); no row has two reasons.
    """
    low, high = REDSHIFT_RANGE
    # min and max carry any NaN or infinity without a second array as large as the fluxes.
    finite = np.isfinite(flux.min(axis=1)) & np.isfinite(flux.max(axis=1)) & np.isfinite(redshift)
    inside = (redshift >= low) & (redshift <= np.float32(high))
    usable = finite & inside
    found = {
        "a value that is missing or not finite": ~finite,
        f"a redshift outside {low:g} to {high:g}": finite & ~inside,
    }
    if source_id is not None:
        named = usable & (source_id != "")
        found["the source_id of an earlier row"] = _repeated(source_id, named)
        usable &= ~found["the source_id of an earlier row"]
    found["the spectrum of an earlier row"] = _repeated(_digests(flux), usable)
    return {reason: rows for reason, rows in found.items() if rows.any()}


def _repeated(values: NDArray[np.generic], among: Rows) -> Rows:
    """Return which of some rows hold what an earlier one of them holds."""
    rows = np.flatnonzero(among)
    _, first = np.unique(values[rows], return_index=True)
    repeated = among.copy()
    repeated[rows[first]] = False
    return repeated


def _digests(flux: FloatArray) -> NDArray[np.uint64]:
    """Return 64 bits of each spectrum: of a million different ones two agree once in ten million times."""
    whole = np.ascontiguousarray(flux)
    return np.frombuffer(b"".join(blake2b(row, digest_size=8).digest() for row in whole), np.uint64)
