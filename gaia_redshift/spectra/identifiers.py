"""Identifiers of spectra: integers or text, in the type of the input. Imports numpy alone.

Gaia's identifiers have up to 63 bits and a float has 53: rounded to a float, an identifier may be another source's.
"""

import re
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np

FLOAT_IDS = "source_id holds floats, which cannot hold Gaia's 64-bit ids; give integers or strings"
"""The message for float identifiers, from any input."""

Identifier = int | str | None

_FLOAT = re.compile(r"[-+]?\d+\.\d*([eE][-+]?\d+)?|[-+]?\d+[eE]\+\d+")
"""A number that pandas or a spreadsheet wrote as a float."""
_WHOLE = re.compile(r"0|-?[1-9]\d{0,18}")


def is_float_text(text: str) -> bool:
    """Return whether an identifier of text is a float, such as ``5.85e18``."""
    return ("." in text or "+" in text) and _FLOAT.fullmatch(text) is not None


def read_identifiers(values: object) -> Sequence[Identifier]:
    """Return identifiers as Python int or str, None for a missing or masked one.

    Parameters
    ----------
    values : sequence, array or column of any library; or the one identifier of one spectrum
        Integers or text; bytes are ASCII.

    Raises
    ------
    ValueError
        If some are floats, as text too, or of another type, or they have no order.
    """
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    if isinstance(values, str | bytes | int | float | np.number):
        values = [values]
    if isinstance(values, Set | Mapping) or not isinstance(values, Iterable):
        wrong = f"source_id is a {type(values).__name__}: give a sequence, one identifier for each spectrum"
        raise ValueError(wrong)  # noqa: TRY004 - as for all wrong identifiers
    array = values if isinstance(values, list | tuple) else _as_array(values)
    if isinstance(array, np.ndarray):
        if array.dtype.kind == "f":
            raise ValueError(FLOAT_IDS)
        if array.ndim != 1:
            raise ValueError(f"source_id has {array.ndim} dimensions: give one identifier for each spectrum")
        array = array.tolist()
    found = [_identifier(value) for value in array]
    return found if masked is None else [None if hide else one for one, hide in zip(found, masked, strict=True)]


def whole_numbers(names: Sequence[Identifier] | None) -> Sequence[Identifier] | None:
    """Return identifiers read as text as integers if all of them are, as other readers of the table return them."""
    there = [str(name) for name in names or () if name is not None]
    if names is None or not there or not all(map(_WHOLE.fullmatch, there)):
        return names
    return [None if name is None else int(name) for name in names]


def _as_array(values: Any) -> Any:
    """Return a column of any library as an array; integers stay integers if some are missing."""
    if isinstance(values, np.ndarray | range):
        return np.ma.getdata(values) if isinstance(values, np.ndarray) else list(values)
    for name in ("to_pylist", "to_list", "tolist"):  # pyarrow; pandas and polars; array-likes
        if hasattr(values, name):
            return getattr(values, name)()
    return list(values)


def _identifier(value: Any) -> Identifier:
    if type(value) is int:
        return value
    if value is None or value is np.ma.masked or type(value).__name__ in {"NAType", "NaTType"}:
        return None
    if isinstance(value, float | np.floating):
        if np.isnan(value):
            return None  # pandas writes NaN for a missing value
        raise ValueError(FLOAT_IDS)
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    if isinstance(value, str):
        if is_float_text(value):
            raise ValueError(FLOAT_IDS)
        return str(value)
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return int(value)
    raise ValueError(f"source_id holds {type(value).__name__}: give integers or strings")
