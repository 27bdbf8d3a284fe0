"""Columns of numbers, of arrays or of text as matrices. Imports `spectra` and its neighbours.

All rows are checked at once; only the messages on bad rows are made one by one.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.spectra import Problem
from gaia_redshift.tables import text
from gaia_redshift.tables.buffers import numbers, valid

types = pyarrow.types


@dataclass(slots=True)
class Samples:
    """The samples of one band: values of shape (n, length), and the problems of rows."""

    values: NDArray[np.generic]
    problems: dict[int, tuple[str, Problem]] = field(default_factory=dict)
    """Row number to the place in the row, such as ``flux[3]``, and the problem."""


def is_array(kind: pyarrow.DataType) -> bool:
    """Say whether a column holds arrays of numbers."""
    if not (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        return False
    return is_number(kind.value_type)


def is_number(kind: pyarrow.DataType) -> bool:
    """Say whether a column holds numbers."""
    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_null(kind) or types.is_decimal(kind))


def is_text(kind: pyarrow.DataType) -> bool:
    """Say whether a column holds text."""
    if types.is_dictionary(kind):
        kind = kind.value_type
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def as_text(column: pyarrow.Array) -> pyarrow.Array:
    """Return a column of text in Arrow's plainest type."""
    if types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return column if types.is_string(column.type) else column.cast(pyarrow.string())


def from_columns(
    names: Sequence[str],
    columns: Sequence[pyarrow.Array],
    *,
    decimal_comma: bool = False,
    units: Collection[str] = (),
) -> Samples:
    """Return a column for each sample as a matrix.

    Parameters
    ----------
    names : sequence of str
        Of the columns, for messages.
    columns : sequence of pyarrow array
        Of numbers, or of text.
    decimal_comma : bool
        Whether text may have a comma for the point.
    units : collection of str
        That the columns declare, for messages.
    """
    rows = len(columns[0])
    values = np.empty((rows, len(columns)), np.float64)
    missing, wrong = np.zeros(values.shape, np.bool_), np.zeros(values.shape, np.bool_)
    for index, column in enumerate(columns):
        if is_text(column.type):
            found = text.numbers(as_text(column), decimal_comma=decimal_comma)
            values[:, index], missing[:, index], wrong[:, index] = found.values, found.missing, found.wrong
            continue
        plain = column.cast(pyarrow.float64()) if types.is_decimal(column.type) else column
        values[:, index] = numbers(plain)
        if column.null_count:
            missing[:, index] = ~valid(column)
    samples = Samples(values)
    bad = missing | wrong
    for row in np.flatnonzero(bad.any(axis=1)).tolist():
        index = int(np.argmax(bad[row]))
        name = names[index].strip()
        if missing[row, index]:
            samples.problems[row] = empty(name)
        else:
            cell = str(columns[index][row]).strip()[:40]
            what = _kind_of_row(name, cell, units) if wrong[row].all() else ""
            samples.problems[row] = name, Problem("not_a_number", f"{name} is {cell!r}, which is not a number{what}")
    return samples


_UNITS = re.compile(
    r"\W*(e-?|electron\w*|adu|counts?|w|erg|mag|m|nm|s|jy|float\w*|double|real|int\w*)\b.*", re.IGNORECASE
)


def _kind_of_row(name: str, cell: str, units: Collection[str]) -> str:
    """Return the end of a sentence that says what a row without any number may be."""
    if cell.lower() == name.lower():
        return ": the header is repeated here, remove the row"
    if cell.strip(" []()") in units:
        return ": a row of units, which is used"
    if _UNITS.fullmatch(cell):
        return ": a row of units or types? Remove it, and give the unit with --unit or unit="
    return ", nor is any other flux of the row: a footer or a note? Remove it"


def empty(at: str) -> tuple[str, Problem]:
    """Return the problem of a missing value."""
    return at, Problem("missing_value", f"{at} is empty")


def from_arrays(name: str, column: pyarrow.Array, allowed: tuple[int, ...]) -> Samples:
    """Return a column of arrays as a matrix; a row of another length than the first good one is wrong.

    Parameters
    ----------
    name : str
        For messages.
    column : pyarrow array
        Of lists of numbers, or of text that holds them.
    allowed : tuple of int
        Lengths that the arrays may have.
    """
    if is_text(column.type):
        return _from_text(name, as_text(column), allowed)
    if types.is_null(column.type):
        column = column.cast(pyarrow.list_(pyarrow.float64()))
    if not is_array(column.type):  # text whose cells turned out to be single numbers
        column = pyarrow.FixedSizeListArray.from_arrays(column, 1)
    starts, lengths = places(column)
    there = valid(column) & (lengths > 0)
    good = there & np.isin(lengths, allowed)
    length = int(lengths[np.argmax(good)]) if good.any() else allowed[0]
    good &= lengths == length
    samples = Samples(_gather(column.values, starts, good, length))
    for row in np.flatnonzero(~good).tolist():
        samples.problems[row] = _ragged(name, int(lengths[row]), allowed) if there[row] else empty(name)
    if column.values.null_count:
        absent = _gather(column.values.is_null(), starts, good, length).astype(np.bool_)
        for row in np.flatnonzero(absent.any(axis=1)).tolist():
            samples.problems.setdefault(row, empty(f"{name}[{int(np.argmax(absent[row]))}]"))
    return samples


def _from_text(name: str, column: pyarrow.Array, allowed: tuple[int, ...]) -> Samples:
    found = text.arrays(column, allowed)
    samples = Samples(found.values)
    for row in np.flatnonzero(found.lengths != found.values.shape[1]).tolist():
        if found.lengths[row] < 0:
            cell = str(column[row]).strip()[:40]
            message = f"{name} is {cell!r}, which is not an array of numbers"
            samples.problems[row] = name, Problem("not_a_number", message)
        elif found.lengths[row] == 0:
            samples.problems[row] = empty(name)
        else:
            samples.problems[row] = _ragged(name, int(found.lengths[row]), allowed)
    for row in np.flatnonzero(found.missing.any(axis=1)).tolist():
        samples.problems.setdefault(row, empty(f"{name}[{int(np.argmax(found.missing[row]))}]"))
    return samples


def _ragged(name: str, length: int, allowed: tuple[int, ...]) -> tuple[str, Problem]:
    wanted = " or ".join(map(str, allowed))
    return name, Problem("ragged_row", f"{name} has {length} samples, not {wanted} as every row")


def places(column: pyarrow.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each list of a column starts among the column's values, and its length."""
    rows = len(column)
    if types.is_fixed_size_list(column.type):
        size = column.type.list_size
        return np.arange(rows, dtype=np.int64) * size + column.offset * size, np.full(rows, size, np.int64)
    offsets = numbers(column.offsets).astype(np.int64)
    return offsets[:-1], np.diff(offsets)


def lengths_of(column: pyarrow.Array) -> set[int]:
    """Return the lengths of the arrays of a column, of text or of lists; zero for those that are missing."""
    if is_text(column.type):
        return text.lengths(as_text(column))
    if types.is_null(column.type):
        return {0}
    if not is_array(column.type):
        return {1}
    _, lengths = places(column)
    there = valid(column)
    return set(np.where(there, lengths, 0).tolist())


def _gather(values: Any, starts: NDArray[np.int64], good: NDArray[np.bool_], length: int) -> NDArray[np.generic]:
    """Return the good rows' values, shape (n, length); a view if they are contiguous."""
    rows = len(starts)
    if types.is_decimal(values.type):
        values = values.cast(pyarrow.float64())
    if good.all() and rows and starts[-1] - starts[0] == (rows - 1) * length:
        return numbers(values.slice(starts[0], rows * length)).reshape(rows, length)
    flat = numbers(values)
    matrix = np.zeros((rows, length), flat.dtype)
    matrix[good] = flat[starts[good][:, None] + np.arange(length)]
    return matrix
