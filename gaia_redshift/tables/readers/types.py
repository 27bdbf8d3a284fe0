"""Types of columns of text: whole numbers, numbers, truth values or text. Imports `text`."""

import re

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.samples import is_array
from gaia_redshift.tables.text import missing_words, numbers

_WHOLE = r"^\s*-?(0|[1-9]\d{0,18})\s*$"
_SEPARATOR = re.compile(r"[,\s]+")
_BRACKETS = " \t\r\n()[]{}"


class Types:
    """The narrowest types of a table's columns, found block by block.

    Parameters
    ----------
    columns : int
        How many there are.
    """

    def __init__(self, columns: int) -> None:
        self._possible = [[pyarrow.int64(), pyarrow.float64(), pyarrow.bool_()] for _ in range(columns)]
        self._seen = [False] * columns

    def see(self, batch: pyarrow.RecordBatch) -> None:
        """Add rows, all columns as text."""
        for index, column in enumerate(batch.columns):
            if not self._possible[index]:
                continue
            there = column.filter(pc.invert(pc.or_kleene(pc.is_null(column), _absent(column))))
            if len(there):
                self._seen[index] = True
                self._possible[index] = [kind for kind in self._possible[index] if _fits(there, kind)]

    @property
    def kinds(self) -> list[pyarrow.DataType]:
        """The narrowest type that holds all values so far; text if there are none, or if no other type does."""
        return [
            possible[0] if possible and seen else pyarrow.string()
            for possible, seen in zip(self._possible, self._seen, strict=True)
        ]


def convert(column: pyarrow.Array, field: pyarrow.Field) -> pyarrow.Array:
    """Turn a column of text into the type of its field; missing values become null.

    Arrays that are not of numbers stay text.

    Raises
    ------
    MalformedBodyError
        If a cell holds another value.
    """
    kind = field.type
    if pyarrow.types.is_string(kind):
        return column
    text = pc.if_else(_absent(column), None, pc.utf8_trim_whitespace(column))
    if is_array(kind):
        return _arrays(text, kind)
    found = None
    if pyarrow.types.is_floating(kind):
        found = numbers(column)
        wrong = found.wrong
        made = pyarrow.array(found.values, mask=found.missing).cast(kind)
    else:
        made, wrong = _cast(text, kind)
    if wrong.any():
        raise MalformedBodyError(
            f"column {field.name[:40]} is said to be {kind}, but holds {str(column[int(np.argmax(wrong))])[:40]!r}"
        )
    return made


def _cast(text: pyarrow.Array, kind: pyarrow.DataType) -> tuple[pyarrow.Array, NDArray[np.bool_]]:
    """Cast text to whole numbers or truth values, and return where that failed."""
    if pyarrow.types.is_boolean(kind):
        low = pc.utf8_lower(text)
        yes, no = pc.is_in(low, pyarrow.array(["true", "t", "1"])), pc.is_in(low, pyarrow.array(["false", "f", "0"]))
        wrong = pc.and_(pc.is_valid(text), pc.invert(pc.or_(yes, no)))
        return pc.if_else(pc.is_valid(text), yes, None), wrong.to_numpy(zero_copy_only=False)
    try:
        return pc.cast(text, kind), np.zeros(len(text), np.bool_)
    except pyarrow.ArrowInvalid:
        bad = pc.invert(pc.match_substring_regex(text, _WHOLE))
        wrong = pc.fill_null(bad, fill_value=False).to_numpy(zero_copy_only=False).copy()
        if not wrong.any():
            wrong[0] = True
        return text, wrong


def _arrays(text: pyarrow.Array, kind: pyarrow.DataType) -> pyarrow.Array:
    rows = [None if row is None else _SEPARATOR.split(row.strip(_BRACKETS)) for row in text.to_pylist()]
    flat = pyarrow.array([cell for row in rows for cell in row or () if cell], pyarrow.string())
    found = numbers(flat)
    values = pyarrow.array(found.values, mask=found.missing | found.wrong).cast(kind.value_type, safe=False)
    lengths = [0 if row is None else sum(map(bool, row)) for row in rows]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pyarrow.ListArray.from_arrays(
        pyarrow.array(offsets), values, mask=pyarrow.array([row is None for row in rows])
    )


def _absent(column: pyarrow.Array) -> pyarrow.Array:
    return pc.fill_null(pc.is_in(pc.utf8_trim_whitespace(column), missing_words()), fill_value=True)


def _fits(column: pyarrow.Array, kind: pyarrow.DataType) -> bool:
    if pyarrow.types.is_boolean(kind):
        return bool(
            pc.all(pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), pyarrow.array(["true", "false"]))).as_py()
        )
    if pyarrow.types.is_floating(kind):
        found = numbers(column)
        # 007 and +5 are codes rather than numbers: as numbers they would change.
        # A whole number that int64 cannot hold would lose digits.
        coded = pc.any(pc.match_substring_regex(column, r"^\s*[-+]?0\d|^\s*\+|^\s*-?\d{16,}\s*$")).as_py()
        return not found.wrong.any() and not coded
    if not pc.all(pc.match_substring_regex(column, _WHOLE)).as_py():
        return False
    try:
        pc.cast(pc.utf8_trim_whitespace(column), kind)
    except pyarrow.ArrowInvalid:
        return False
    return True
