"""Delimited text, a block of rows at a time. Imports its neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

import numpy as np
import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.tables.readers import types
from gaia_redshift.tables.readers.archive_text import ArchiveText, is_archive
from gaia_redshift.tables.readers.delimited import Delimited
from gaia_redshift.tables.readers.dialect import Head, check_text, read_head
from gaia_redshift.tables.readers.lines import blocks
from gaia_redshift.tables.table import BLOCK_ROWS, Block, described

BLOCK_BYTES = 2 << 20
_MOST_RAGGED = 100_000
"""So many rows with a wrong number of cells are reported one by one even if most rows are such."""


class CsvTable:
    """An open table of delimited text.

    Parameters
    ----------
    file : binary file that can seek
    block_bytes : int
        Approximate size of the parts that are read.
    head : Head, optional
        If it was read already.
    fields : sequence of pyarrow.Field, optional
        The columns, if they are known from elsewhere.

    Raises
    ------
    InvalidTableError
        If the file is empty.
    MalformedBodyError
        If it is not text.
    """

    format = "csv"
    rows: int | None = None

    def __init__(
        self,
        file: IO[bytes],
        block_bytes: int = BLOCK_BYTES,
        head: Head | None = None,
        fields: Sequence[pyarrow.Field] | None = None,
    ) -> None:
        self._file, self._block_bytes = file, block_bytes
        self.head = head or read_head(file)
        self._fields = list(fields or ())
        for position, name in enumerate(() if fields else self.head.names):
            self._fields.append(described(name, pyarrow.string(), self.head.units.get(position, "")))
        self._settled = fields is not None
        self._text = Delimited(self.head.names, self.head.delimiter)
        self.said: Mapping[str, str] = {"comments": "\n".join(self.head.comments)} if self.head.comments else {}

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns; those of unknown type are text."""
        return pyarrow.schema(self._fields)

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types of some columns by reading them all."""
        if self._settled:
            return
        found = types.Types(len(columns))
        for block in self.blocks(columns):
            found.see(block.columns)
        for position, kind in zip(columns, found.kinds, strict=True):
            self._fields[position] = self._fields[position].with_type(kind)

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start; see `Table`."""
        self._file.seek(self.head.start)
        width, count, ragged = len(self.head.names), 0, 0
        for rows in blocks(self._file, b"", self.head.delimiter, self._block_bytes):
            check_text(rows.text[: rows.ends[-1]])
            for start in range(0, len(rows), BLOCK_ROWS):
                part = self._text.without_comments(rows.part(start, start + BLOCK_ROWS))
                if len(part):
                    wrong = part.cells != width
                    count, ragged = count + len(part), ragged + int(wrong.sum())
                    if ragged > _MOST_RAGGED and 2 * ragged > count:
                        first = int(np.argmax(wrong))
                        example = f"row {count - len(part) + first}", f"{part.cells[first]} cells"
                        raise _no_table(count, ragged, width, Detail(*example))
                    yield self._text.block(part, columns, numbers, self._fields)


def _no_table(rows: int, ragged: int, width: int, example: Detail) -> InvalidTableError:
    return InvalidTableError(
        f"{ragged} of the first {rows} rows have not as many cells as the header: give each row {width} cells, "
        "or the header as many as the rows have",
        [example],
    )


def open_csv(file: IO[bytes]) -> CsvTable | ArchiveText:
    """Open a file of delimited text; the archive's files by the reader that skips their correlations."""
    head = read_head(file)
    return ArchiveText(file, head) if is_archive(head.names, head.delimiter) else CsvTable(file, head=head)
