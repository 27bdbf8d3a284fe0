"""Columns from rows of delimited text whose cells were counted. Imports its neighbours.

Arrow splits the rows with the right number of cells and reads their numbers. A column with cells that Arrow cannot read
as numbers is read again by `text.numbers`, which knows other notations. All rows of a block are read the same way, so a
bad row takes no longer than a good one.
"""

import io
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

from gaia_redshift.errors import MalformedBodyError, counted
from gaia_redshift.spectra import Problem
from gaia_redshift.tables.readers import types
from gaia_redshift.tables.readers.lines import Rows
from gaia_redshift.tables.table import Block


class Delimited:
    """Reads the columns of rows.

    Parameters
    ----------
    names : sequence of str
    delimiter : bytes
    quoting : bool
        Whether quotes enclose cells.
    """

    def __init__(self, names: Sequence[str], delimiter: bytes, *, quoting: bool = True) -> None:
        self._names, self._delimiter, self._quoting = names, delimiter, quoting
        self._decimal = "."
        self._arrays = False

    def without_comments(self, rows: Rows) -> Rows:
        """Leave out rows that start with ``#`` and have another number of cells."""
        codes = np.frombuffer(rows.text, np.uint8)
        kept = (rows.cells == len(self._names)) | (codes[rows.starts] != ord("#"))
        if kept.all():
            return rows
        return Rows(rows.text, rows.starts[kept], rows.ends[kept], rows.cells[kept], rows.quoted)

    def block(
        self, rows: Rows, columns: Sequence[int], numbers: Sequence[int], fields: Sequence[pyarrow.Field]
    ) -> Block:
        """Read some columns; those of `numbers` as numbers, the others in the types of their fields."""
        width = len(self._names)
        good = rows.cells == width
        read = self._cells(rows.only(good), rows.quoted, int(good.sum()), columns, numbers)
        problems = {}
        if not good.all():
            places = np.cumsum(good) - 1
            read = [column.take(pyarrow.array(places, mask=~good)) for column in read]
            wrong = np.flatnonzero(~good)
            cells = rows.cells[wrong].tolist()
            problems = dict(zip(wrong.tolist(), (_ragged(count, width) for count in cells), strict=True))
            problems |= _lines_of_text(rows, wrong, width)
        settled = [
            column if position in numbers else types.convert(column, fields[position])
            for position, column in zip(columns, read, strict=True)
        ]
        names = [self._names[position] for position in columns]
        return Block(pyarrow.RecordBatch.from_arrays(settled, names), problems)

    def _cells(
        self, content: bytes, quoted: bool, count: int, columns: Sequence[int], numbers: Sequence[int]
    ) -> list[pyarrow.Array]:
        """Read the columns of rows with the right number of cells; as numbers those that are all numbers."""
        chosen = set(columns)
        typed = [] if self._arrays else [position for position in numbers if position in chosen]
        if not count:
            return [pyarrow.array([], pyarrow.string())] * len(columns)
        if typed:
            points = [self._decimal] if self._delimiter == b"," else sorted(".,", key=lambda p: p != self._decimal)
            for point in points:
                try:
                    table = self._parse(content, quoted, columns, typed, point)
                except pyarrow.ArrowInvalid:
                    continue
                if not any(table[str(position)].null_count for position in typed):
                    self._decimal = point
                    return self._checked(table, columns, count)
                break
        try:
            found = self._checked(self._parse(content, quoted, columns, (), "."), columns, count)
        except pyarrow.ArrowInvalid as error:
            raise MalformedBodyError(f"the rows cannot be split into cells: {str(error)[:120]}") from error
        if typed and _holds_arrays(found[columns.index(typed[0])]):
            self._arrays = True
        return found

    def _parse(
        self, content: bytes, quoted: bool, columns: Sequence[int], typed: Sequence[int], point: str
    ) -> pyarrow.Table:
        names = [str(position) for position in range(len(self._names))]
        kinds = {names[position]: pyarrow.string() for position in columns}
        kinds |= {names[position]: pyarrow.float64() for position in typed}
        return arrow_csv.read_csv(
            io.BytesIO(content),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1),
            parse_options=arrow_csv.ParseOptions(delimiter=self._delimiter.decode(), newlines_in_values=quoted),
            convert_options=arrow_csv.ConvertOptions(
                column_types=kinds,
                include_columns=list(kinds),
                null_values=[""],
                strings_can_be_null=False,
                decimal_point=point,
                check_utf8=False,
            ),
        )

    @staticmethod
    def _checked(table: pyarrow.Table, columns: Sequence[int], count: int) -> list[pyarrow.Array]:
        if len(table) != count:
            raise AssertionError(f"{count} rows became {len(table)}")
        return [_one(table[str(position)]) for position in columns]


def _one(column: pyarrow.ChunkedArray) -> pyarrow.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _holds_arrays(column: pyarrow.Array) -> bool:
    return bool(pc.any(pc.match_substring_regex(column, r"^\s*[\[(]|\d\s+[-+\d]")).as_py())


_MOST_LINES = 100
"""So many lines of text in a block are reported as such, the others as rows of the wrong length."""


def _lines_of_text(rows: Rows, wrong: NDArray[np.int64], width: int) -> dict[int, Problem]:
    """Return the problems of rows that are a line of words, such as a footer."""
    codes = np.frombuffer(rows.text, np.uint8)
    first = codes[rows.starts[wrong]]
    words = (rows.cells[wrong] <= min(_FEW_CELLS, width // 2)) & ~np.isin(first, np.frombuffer(_NUMERIC, np.uint8))
    found = {}
    for row in wrong[words][:_MOST_LINES].tolist():
        line = rows.row(row)[:60].decode("utf-8", "replace").strip().strip('"')
        if line:
            why = f"the row is {line!r}, a footer or another line of text, not a row of the table: remove it"
            found[row] = Problem("ragged_row", why)
    return found


_FEW_CELLS = 5
_NUMERIC = b"0123456789+-.,;\t "
"""First characters of a row of numbers."""


@lru_cache(maxsize=4096)
def _ragged(cells: int, width: int) -> Problem:
    return Problem("ragged_row", f"the row has {counted(cells, 'cell', 'cells')}, the header {width}")
