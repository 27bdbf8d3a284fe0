"""Columns to arrays and back give what pyarrow's own conversions give."""

import numpy as np
import pyarrow
import pytest

from gaia_redshift.tables.buffers import from_numbers, from_texts, from_truths, numbers, valid

ROWS = 21
GAPS = [None if row % 5 == 3 else row for row in range(ROWS)]


@pytest.mark.parametrize("start", [0, 3, 9])
@pytest.mark.parametrize("kind", ["int8", "uint64", "float32", "float64"])
def test_a_part_of_a_column_is_read_as_pyarrow_reads_it(kind: str, start: int) -> None:
    for values in (list(range(ROWS)), GAPS, []):
        column = pyarrow.array(values, kind).slice(start)
        wanted = column.to_numpy(zero_copy_only=False)
        found = numbers(column)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)
        assert valid(column).tolist() == [value is not None for value in column.to_pylist()]


def test_numbers_without_nulls_are_not_copied() -> None:
    column = pyarrow.array(np.arange(5.0))
    assert numbers(column).ctypes.data == column.buffers()[1].address


def test_columns_are_made_as_pyarrow_makes_them() -> None:
    values, there = np.arange(ROWS, dtype=np.float64), np.arange(ROWS) % 3 > 0
    assert from_numbers(values).equals(pyarrow.array(values))
    assert from_numbers(values[::2]).equals(pyarrow.array(values[::2].copy()))
    assert from_numbers(values, there).equals(pyarrow.array(values, mask=~there))
    assert from_truths(there).equals(pyarrow.array(there))
    for texts in (["", "é", None, "abc"], ["a"], [None], []):
        made = from_texts(texts)
        made.validate(full=True)
        assert made.equals(pyarrow.array(texts, pyarrow.string()))
