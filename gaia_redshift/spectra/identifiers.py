"""Identifiers of spectra: integers or text, in the type of the input. Imports numpy alone.

Gaia's identifiers have up to 63 bits and a float has 53: rounded to a float, an identifier may be another source's.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

FLOAT_IDS = "source_id holds floats, which cannot hold Gaia's 64-bit ids; give integers or strings"
"""The message for float identifiers, from any input."""

Identifier = int | str | None


def read_identifiers(values: object) -> Sequence[Identifier]:
    """Return identifiers as Python int or str, None for a missing or masked one.

    Parameters
    ----------
    values : sequence, array or column of any library
        Integers or text; bytes are ASCII.

    Raises
    ------
    ValueError
        If some are floats, or of another type.
    """
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if isinstance(values, str | bytes):
        values = [values]
    array = values if isinstance(values, list | tuple) else _as_array(values)
    if isinstance(array, np.ndarray):
        if array.dtype.kind == "f":
            raise ValueError(FLOAT_IDS)
        if array.ndim != 1:
            raise ValueError(f"source_id has {array.ndim} dimensions: give one identifier for each spectrum")
        array = array.tolist()
    found = [_identifier(value) for value in array]
    return found if masked is None else [None if hide else one for one, hide in zip(found, masked, strict=True)]


def _as_array(values: Any) -> Any:
    """Return a column of any library as an array; integers stay integers if some are missing."""
    if isinstance(values, np.ndarray | range):
        return np.ma.getdata(values) if isinstance(values, np.ndarray) else list(values)
    for name in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and polars; array-likes
        if hasattr(values, name):
            return getattr(values, name)()
    return list(values)


def _identifier(value: Any) -> Identifier:
    if type(value) is int or type(value) is str:
        return value
    if value is None or value is np.ma.masked or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None  # pandas writes NaN for a missing value
        raise ValueError(FLOAT_IDS)
    if isinstance(value, bytes):
        return value.decode("ascii", "replace")
    if isinstance(value, str):
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"source_id holds {type(value).__name__}: give integers or strings")
