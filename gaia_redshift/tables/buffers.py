"""Arrow's columns as NumPy's arrays and back, without pandas. Imports nothing of the project.

Where pandas is installed, pyarrow loads it at its first `pyarrow.array` or `to_numpy`: 0.25 s and 40 MB in each
process that reads or writes a table. Nothing here does, but `numbers` for a column with nulls.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray

_types = pyarrow.types


def numbers(column: pyarrow.Array) -> NDArray[np.generic]:
    """Return a column of numbers, shape (n,); a view where none is null, else with NaN for null."""
    if column.null_count or not (_types.is_integer(column.type) or _types.is_floating(column.type)):
        values: NDArray[np.generic] = column.to_numpy(zero_copy_only=False)
        return values
    return np.from_dlpack(column)


def valid(column: pyarrow.Array) -> NDArray[np.bool_]:
    """Return which rows of a column are not null, shape (n,)."""
    if not column.null_count:
        return np.ones(len(column), np.bool_)
    made = column.is_valid()
    bits = np.unpackbits(np.frombuffer(made.buffers()[1], np.uint8), bitorder="little")
    return bits[made.offset : made.offset + len(made)].astype(np.bool_)


def from_numbers(values: NDArray[np.generic], there: NDArray[np.bool_] | None = None) -> pyarrow.Array:
    """Return numbers as a column, null where `there` is false; it is a view of contiguous ones."""
    mask = None if there is None or there.all() else _bits(there)
    content = pyarrow.py_buffer(np.ascontiguousarray(values))
    return pyarrow.Array.from_buffers(pyarrow.from_numpy_dtype(values.dtype), len(values), [mask, content])


def from_truths(values: NDArray[np.bool_]) -> pyarrow.Array:
    """Return truth values as a column."""
    return pyarrow.Array.from_buffers(pyarrow.bool_(), len(values), [None, _bits(values)])


def from_texts(values: Sequence[str | None]) -> pyarrow.Array:
    """Return text as a column, null where it is None."""
    content = [b"" if value is None else value.encode() for value in values]
    ends = np.zeros(len(content) + 1, np.int32)
    np.cumsum([len(one) for one in content], out=ends[1:])
    there = np.array([value is not None for value in values], np.bool_)
    mask = None if there.all() else _bits(there)
    buffers = [mask, pyarrow.py_buffer(ends), pyarrow.py_buffer(b"".join(content))]
    return pyarrow.Array.from_buffers(pyarrow.string(), len(content), buffers)


def _bits(truths: NDArray[np.bool_]) -> pyarrow.Buffer:
    return pyarrow.py_buffer(np.packbits(truths, bitorder="little"))
