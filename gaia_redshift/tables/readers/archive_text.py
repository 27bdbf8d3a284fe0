"""The archive's tables as text, with long arrays in quotes. Imports its neighbours.

A row of Gaia's bulk files has 41 kB, nine tenths of it correlations. Only the wanted quoted cells are read; the others
are skipped. A line is a row, so a damaged row does not affect the others. Rows with another layout than the header's
are read by Python's `csv`.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO

import pyarrow

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.spectra import Problem
from gaia_redshift.tables.readers import types
from gaia_redshift.tables.readers.arrays import read_arrays
from gaia_redshift.tables.readers.dialect import Head
from gaia_redshift.tables.table import BLOCK_ROWS, Block

_PIECE_BYTES = 4 << 20
_ROW_BYTES = 1 << 20
_BLOCK_BYTES = 16 << 20
"""A block also ends at this size of its cells: correlations are forty times as long as coefficients."""

_ARRAYS = tuple(
    f"{band}_coefficient{part}" for band in ("bp", "rp") for part in ("s", "_errors", "_correlations", "_covariances")
)
_COEFFICIENTS = {"bp_coefficients", "rp_coefficients"}
_FLOATS = ("_standard_deviation", "_chi_squared", "_relative_shrinking")

Cells = list[bytes | None]


def is_archive(names: Sequence[str], delimiter: bytes) -> bool:
    """Return whether a header is that of the archive's continuous spectra."""
    return delimiter == b"," and {name.lower() for name in names} >= _COEFFICIENTS


@dataclass(slots=True)
class _Layout:
    """Where the columns of a table are in a row: in which quotes, or between which."""

    arrays: dict[int, int]
    """Column to its number among the quoted columns."""
    plain: dict[int, tuple[int, int]]
    """Column to the gap between quotes that it is in, and its place there."""
    commas: list[int]
    """How many there are in each gap."""

    @classmethod
    def of(cls, names: Sequence[str]) -> "_Layout":
        arrays: dict[int, int] = {}
        plain: dict[int, tuple[int, int]] = {}
        commas = [0]
        for column, name in enumerate(names):
            if name.lower() in _ARRAYS:
                commas[-1] += column > 0
                arrays[column] = len(arrays)
                commas.append(0)
                continue
            commas[-1] += column > 0
            plain[column] = len(commas) - 1, commas[-1]
        return cls(arrays, plain, commas)


class ArchiveText:
    """An open CSV or ECSV table of the archive's continuous spectra.

    Parameters
    ----------
    file : binary file that can seek to where it was before
    head : Head
    fields : sequence of pyarrow.Field, optional
        From an ECSV header; columns of CSV are text until their types are settled.
    said : mapping
    """

    rows: int | None = None

    def __init__(
        self,
        file: IO[bytes],
        head: Head,
        fields: Sequence[pyarrow.Field] | None = None,
        said: Mapping[str, str] | None = None,
    ) -> None:
        self._file, self._head = file, head
        self.format = "csv" if fields is None else "ecsv"
        self._settled = fields is not None
        self._fields = list(fields or [pyarrow.field(name, pyarrow.string()) for name in head.names])
        comments = {"comments": "\n".join(head.comments)} if head.comments else {}
        self.said: Mapping[str, str] = comments if said is None else said
        self._layout = _Layout.of(head.names)

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns; those of unknown type are text."""
        return pyarrow.schema(self._fields)

    def settle(self, columns: Sequence[int]) -> None:
        """Give the archive's columns their types; others stay text."""
        if self._settled:
            return
        for place in columns:
            name = self._fields[place].name.lower()
            if name.endswith(_FLOATS):
                self._fields[place] = self._fields[place].with_type(pyarrow.float64())
            elif name in {"source_id", "solution_id"} or name.startswith(("bp_", "rp_")):
                self._fields[place] = self._fields[place].with_type(pyarrow.int64())

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start; see `Table`."""
        cells: list[Cells] = [[] for _ in columns]
        problems: dict[int, Problem] = {}
        rows = size = 0
        for line in self._lines():
            found = self._quick(line, columns) or self._slow(line, columns)
            if found is None:
                continue
            if isinstance(found, Problem):
                problems[rows], found = found, [None] * len(columns)
            for column, cell in zip(cells, found, strict=True):
                column.append(cell)
                size += len(cell or b"")
            rows += 1
            if rows == BLOCK_ROWS or size > _BLOCK_BYTES:
                yield self._block(cells, problems, columns, numbers)
                cells, problems, rows, size = [[] for _ in columns], {}, 0, 0
        if rows:
            yield self._block(cells, problems, columns, numbers)

    def _lines(self) -> Iterator[bytes]:
        """Yield the lines that are not blank, without their ends."""
        self._file.seek(self._head.start)
        rest = b""
        while piece := self._file.read(_PIECE_BYTES):
            text = rest + piece
            start = 0
            while (end := text.find(b"\n", start)) >= 0:
                line = text[start:end]
                start = end + 1
                if line.endswith(b"\r"):
                    line = line[:-1]
                if line:
                    yield line
            rest = text[start:]
            if len(rest) > _ROW_BYTES:
                raise MalformedBodyError(f"the file is not the archive's: a row is longer than {_ROW_BYTES} bytes")
        if line := rest.rstrip(b"\r"):
            yield line

    def _quick(self, line: bytes, columns: Sequence[int]) -> Cells | None:
        """Return the wanted cells of a row that is laid out like the header, None for any other row."""
        layout = self._layout
        quotes = [-1]
        place = line.find(b'"')
        while place >= 0:
            quotes.append(place)
            place = line.find(b'"', place + 1)
        quotes.append(len(line))
        if len(quotes) != 2 * len(layout.arrays) + 2:
            return None
        for gap, commas in enumerate(layout.commas):
            if line.count(b",", quotes[2 * gap] + 1, quotes[2 * gap + 1]) != commas:
                return None
        gaps: dict[int, list[bytes]] = {}
        found: Cells = []
        for column in columns:
            if (number := layout.arrays.get(column)) is not None:
                found.append(line[quotes[2 * number + 1] + 1 : quotes[2 * number + 2]])
                continue
            gap, place = layout.plain[column]
            if gap not in gaps:
                gaps[gap] = line[quotes[2 * gap] + 1 : quotes[2 * gap + 1]].split(b",")
            found.append(gaps[gap][place])
        return found

    def _slow(self, line: bytes, columns: Sequence[int]) -> "Cells | Problem | None":
        """Return the wanted cells of any row, or its problem; None for a comment."""
        try:
            cells = next(csv.reader([line.decode("utf-8", "replace")], strict=True), [])
        except csv.Error as error:
            return Problem("ragged_row", f"the row cannot be split into cells: {error}")
        if len(cells) == len(self._fields):
            return [cells[place].encode() for place in columns]
        if line.startswith(b"#"):
            return None
        return Problem("ragged_row", f"the row has {len(cells)} cells, the header {len(self._fields)}")

    def _block(
        self, cells: list[Cells], problems: dict[int, Problem], columns: Sequence[int], numbers: Sequence[int]
    ) -> Block:
        read = []
        for place, column in zip(columns, cells, strict=True):
            field = self._fields[place]
            if place in numbers:
                values, wrong = read_arrays(field.name, column)
            else:
                values, wrong = _converted(column, field)
            for row, problem in wrong.items():
                problems.setdefault(row, problem)
            read.append(values)
        names = [self._fields[place].name for place in columns]
        return Block(pyarrow.RecordBatch.from_arrays(read, names), problems)


def _converted(cells: Cells, field: pyarrow.Field) -> tuple[pyarrow.Array, dict[int, Problem]]:
    """Return cells in the type of their column; a cell that does not fit is a problem of its row."""
    text = pyarrow.array(
        [None if cell is None else cell.decode("utf-8", "replace") for cell in cells], pyarrow.string()
    )
    try:
        return types.convert(text, field), {}
    except MalformedBodyError:
        pass
    made, problems = [], {}
    for row in range(len(text)):
        try:
            made.append(types.convert(text.slice(row, 1), field))
        except MalformedBodyError:
            made.append(pyarrow.nulls(1, field.type))
            problems[row] = Problem(
                "not_a_number", f"{field.name} is {str(text[row])[:40]!r}, which is not {field.type}"
            )
    return pyarrow.concat_arrays(made), problems
