"""CSV and its kin, a block of rows at a time. Imports its neighbours.

`lines` finds the rows; Arrow splits those with the right number of cells and reads their numbers. What Arrow takes for
no number is read once more as text (`text.numbers`), which knows other ways to write one. All rows of a block go the
same way, so a bad one costs no more than a good one.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import IO

import numpy as np
import pyarrow
from pyarrow import csv as arrow_csv

from gaia_redshift.spectra import Problem
from gaia_redshift.tables.readers import types
from gaia_redshift.tables.readers.dialect import Head, check_text, read_head
from gaia_redshift.tables.readers.lines import Rows, blocks
from gaia_redshift.tables.table import BLOCK_ROWS, Block

BLOCK_BYTES = 4 << 20


class CsvTable:
    """An open table of delimited text.

    Parameters
    ----------
    file : binary file that can seek
    block_bytes : int
        About how much is read at a time.
    head : Head, optional
        If it was read already.

    Raises
    ------
    InvalidTableError
        If the file is empty.
    MalformedBodyError
        If it is not text.
    """

    format = "csv"

    def __init__(self, file: IO[bytes], block_bytes: int = BLOCK_BYTES, head: Head | None = None) -> None:
        self._file, self._block_bytes = file, block_bytes
        self.head = head or read_head(file)
        self._types: dict[int, pyarrow.DataType] = {}
        self._decimal = "."

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns: text, but for those that were settled."""
        kinds = [self._types.get(position, pyarrow.string()) for position in range(len(self.head.names))]
        return pyarrow.schema(list(zip(self.head.names, kinds, strict=True)))

    @property
    def said(self) -> Mapping[str, str]:
        """The comments before the header, all as one."""
        return {"comments": "\n".join(self.head.comments)} if self.head.comments else {}

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types of some columns by reading them all."""
        found = types.Types(len(columns))
        for block in self.blocks(columns):
            found.see(block.columns)
        self._types |= dict(zip(columns, found.kinds, strict=True))

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start; see `Table`."""
        self._file.seek(self.head.start)
        width = len(self.head.names)
        for rows in blocks(self._file, b"", self.head.delimiter, self._block_bytes):
            check_text(rows.text[: rows.ends[-1]])
            for start in range(0, len(rows), BLOCK_ROWS):
                part = rows.part(start, start + BLOCK_ROWS)
                comment = _comments(part, width)
                if comment.any():
                    part = Rows(
                        part.text, part.starts[~comment], part.ends[~comment], part.cells[~comment], part.quoted
                    )
                if len(part):
                    yield self._block(part, width, columns, numbers)

    def _block(self, rows: Rows, width: int, columns: Sequence[int], numbers: Sequence[int]) -> Block:
        good = rows.cells == width
        read = self._cells(rows.only(good), rows.quoted, int(good.sum()), columns, numbers)
        problems = {}
        if not good.all():
            places = np.cumsum(good) - 1
            read = [column.take(pyarrow.array(places, mask=~good)) for column in read]
            wrong = np.flatnonzero(~good)
            problems = dict(
                zip(wrong.tolist(), (_ragged(cells, width) for cells in rows.cells[wrong].tolist()), strict=True)
            )
        settled = [
            types.convert(column, self._types[position]) if position in self._types else column
            for position, column in zip(columns, read, strict=True)
        ]
        names = [self.head.names[position] for position in columns]
        return Block(pyarrow.RecordBatch.from_arrays(settled, names), problems)

    def _cells(
        self, content: bytes, quoted: bool, count: int, columns: Sequence[int], numbers: Sequence[int]
    ) -> list[pyarrow.Array]:
        """Read the columns of rows that all have the right number of cells, numbers as such if all are."""
        chosen = set(columns)
        typed = [position for position in numbers if position in chosen]
        if not count:
            return [pyarrow.array([], pyarrow.string())] * len(columns)
        if typed:
            points = [self._decimal] if self.head.delimiter == b"," else sorted(".,", key=lambda p: p != self._decimal)
            for point in points:
                try:
                    table = self._parse(content, quoted, columns, typed, point)
                except pyarrow.ArrowInvalid:
                    continue
                if not any(table[str(position)].null_count for position in typed):
                    self._decimal = point
                    return self._checked(table, columns, count)
                break
        return self._checked(self._parse(content, quoted, columns, (), "."), columns, count)

    def _parse(
        self, content: bytes, quoted: bool, columns: Sequence[int], typed: Sequence[int], point: str
    ) -> pyarrow.Table:
        names = [str(position) for position in range(len(self.head.names))]
        kinds = {names[position]: pyarrow.string() for position in columns}
        kinds |= {names[position]: pyarrow.float64() for position in typed}
        return arrow_csv.read_csv(
            io.BytesIO(content),
            read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1),
            parse_options=arrow_csv.ParseOptions(delimiter=self.head.delimiter.decode(), newlines_in_values=quoted),
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


def _comments(rows: Rows, width: int) -> np.ndarray:
    """Say which rows are comments: they start with ``#`` and have not the cells of a row."""
    codes = np.frombuffer(rows.text, np.uint8)
    return np.asarray((rows.cells != width) & (codes[rows.starts] == ord("#")))


@lru_cache(maxsize=4096)
def _ragged(cells: int, width: int) -> Problem:
    return Problem("ragged_row", f"the row has {cells} cells, the header {width}")
