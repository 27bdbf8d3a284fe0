"""An open table, as every reader returns it, read block by block. Imports `spectra` of the project.

A reader handles one format and knows nothing about spectra: it gives columns. `recognise` finds those of the spectra,
and `spectra` makes spectra of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow

from gaia_redshift.spectra import Problem

BLOCK_ROWS = 4096
"""Rows read and predicted at a time: with fluxes, some megabytes."""

MOST_COLUMNS = 10_000
"""Most columns that a table may have."""

UNIT, DESCRIPTION, UCD = b"unit", b"description", b"ucd"
"""Keys of a column's unit, description and UCD in the metadata of its field."""


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive rows of some columns."""

    columns: pyarrow.RecordBatch
    problems: Mapping[int, Problem] = field(default_factory=dict)
    """Rows that could not be read, by number in the block; they hold null."""


class Table(Protocol):
    """An open table; the file must stay open."""

    format: str
    """Name of the format, as in `formats.FORMATS`."""

    rows: int | None
    """Number of rows, if the file gives it before they are read."""

    @property
    def schema(self) -> pyarrow.Schema:
        """All columns in the file's order; units, descriptions and UCDs in the fields' metadata."""
        ...

    @property
    def said(self) -> Mapping[str, str]:
        """Metadata of the file; keys in lower case."""
        ...

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start.

        Parameters
        ----------
        columns : sequence of int
            Positions in the schema; a block has these columns, in this order.
        numbers : sequence of int
            Positions of columns that should hold numbers or arrays of them: a format of text reads them as such if
            possible, and gives the text if not.

        Raises
        ------
        MalformedBodyError, InvalidTableError
            If the file is damaged.
        """
        ...

    def settle(self, columns: Sequence[int]) -> None:
        """Find the types of some columns, in a format without types by reading them all."""
        ...


@dataclass(slots=True)
class PlainTable:
    """A table of a format that has types.

    Parameters
    ----------
    format : str
    schema : pyarrow.Schema
    read : callable
        From positions of columns, and of those that should hold numbers, to blocks.
    said : mapping
    rows : int, optional
    """

    format: str
    schema: pyarrow.Schema
    read: Callable[[Sequence[int], Sequence[int]], Iterator[Block]]
    said: Mapping[str, str] = field(default_factory=dict)
    rows: int | None = None

    def blocks(self, columns: Sequence[int], numbers: Sequence[int] = ()) -> Iterator[Block]:
        """Read some columns from the start."""
        return self.read(columns, numbers)

    def settle(self, columns: Sequence[int]) -> None:
        """Do nothing: the types are known."""


def described(name: str, kind: pyarrow.DataType, unit: str = "", description: str = "", ucd: str = "") -> pyarrow.Field:
    """Return a field with unit, description and UCD in its metadata."""
    known = {UNIT: unit, DESCRIPTION: description, UCD: ucd}
    return pyarrow.field(name, kind, metadata={key: text for key, text in known.items() if text} or None)


def about(field_: pyarrow.Field, what: bytes) -> str:
    """Return a column's unit, description or UCD; empty if it has none."""
    return ((field_.metadata or {}).get(what) or b"").decode("utf-8", "replace")
