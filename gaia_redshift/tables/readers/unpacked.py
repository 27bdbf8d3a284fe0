"""How much memory the row groups of a Parquet file would take, checked before Arrow unpacks them. Imports `pages`.

A page of some bytes may unpack to gigabytes (zstd), claim that one row has a billion numbers (run lengths), or name one
long text of its dictionary in every row: 2 kB took 6 GB. Arrow allocates what the headers of the pages say, not the
footer, so the headers are read.
"""

import struct
from dataclasses import dataclass
from typing import IO

import pyarrow

from gaia_redshift.tables.readers.bounds import FREE_TEXT, RATIO
from gaia_redshift.tables.readers.pages import (
    DELTA_BYTE_ARRAY,
    DICTIONARIES,
    DICTIONARY,
    MOST_NUMBERS,
    Leaf,
    Page,
    RowGroup,
    longest_array,
    longest_text,
    pages_of,
)
from gaia_redshift.tables.readers.thrift import Struct

MOST_HELD = 384 << 20
"""Most bytes of the pages that are in memory at once: one of each column, and its dictionary."""
FREE_BYTES, _ARRAYS_RATIO = 64 << 20, 1.25
"""Arrays of a row group that unpack to so much, and to so many times their size, are not measured."""
_AT_ONCE = 32 << 20
"""About as many bytes are unpacked at once."""
_NUMBER_BYTES = 32
"""Longer values are text."""
_FREE_PAGES, _PAGES_RATIO = 64 << 20, 20
"""The pages of text may unpack to so much, and to so many times their size."""
_MOST_DICTIONARY = 2 << 20
"""Most bytes of a dictionary of text inside lists or structures."""


@dataclass(slots=True)
class _Column:
    """A leaf of a row group, and the bytes of its largest value."""

    leaf: Leaf
    chunk: Struct
    data: list[Page]
    packed: int
    width: int

    @property
    def name(self) -> str:
        return self.leaf.path.partition(".")[0][:40]

    @property
    def values(self) -> int:
        return sum(page.values for page in self.data)

    @property
    def unpacked(self) -> int:
        """Most bytes of its values."""
        return self.values * self.width


def rows_at_once(file: IO[bytes], group: RowGroup, among: list[Leaf], names: set[str], rows: int) -> tuple[int, int]:
    """Return how many rows of a row group may be unpacked at once, and most bytes of the arrays that count in full.

    Parameters
    ----------
    file : binary file that can seek
    group : RowGroup
    among : list of Leaf
        All leaves of the file.
    names : set of str
        The columns that will be read; text is read with its dictionary where it is in no list or structure.
    rows : int
        That would be read at once.

    Raises
    ------
    pyarrow.ArrowInvalid
        If it would take too much memory in any case, or a page header is damaged.
    """
    if len(group.chunks) != len(among):
        raise pyarrow.ArrowInvalid("its footer is damaged")
    held = text = text_packed = 0
    columns = []
    for leaf, chunk in zip(among, group.chunks, strict=True):
        if leaf.path not in names and not any(leaf.path.startswith(f"{name}.") for name in names):
            continue
        try:
            pages = list(pages_of(file, chunk))
            packed = sum(page.packed for page in pages)
            data = [page for page in pages if page.kind != DICTIONARY]
            known = [page for page in pages if page.kind == DICTIONARY]
            held += sum(page.unpacked for page in known) + max((page.unpacked for page in data), default=0)
            if held > MOST_HELD:
                raise pyarrow.ArrowInvalid(f"its pages unpack to {held} bytes at once: write smaller pages")
            width = leaf.width
            if not width:
                text, text_packed = text + sum(page.unpacked for page in pages), text_packed + packed
                width = _width_of_text(file, leaf, chunk, data, known)
            columns.append(_Column(leaf, chunk, data, packed, width))
        except (KeyError, IndexError, TypeError, struct.error) as error:
            raise pyarrow.ArrowInvalid(f"a page header of column {leaf.path[:40]} is damaged") from error
    if text > _FREE_PAGES + _PAGES_RATIO * text_packed:
        raise pyarrow.ArrowInvalid(f"its text unpacks to {text} bytes, more than text can: write it with dictionaries")
    return _fitting(file, columns, group, rows)


def _width_of_text(file: IO[bytes], leaf: Leaf, chunk: Struct, data: list[Page], known: list[Page]) -> int:
    """Return the bytes of the longest text that many values can name; 0 where it is read with its dictionary."""
    if any(page.encoding == DELTA_BYTE_ARRAY for page in data):
        raise pyarrow.ArrowInvalid(
            f"the text of column {leaf.path[:40]} is in increments (DELTA_BYTE_ARRAY): write it plain"
        )
    if "." not in leaf.path or not known or not any(page.encoding in DICTIONARIES for page in data):
        return 0
    if sum(page.unpacked for page in known) > _MOST_DICTIONARY:
        raise pyarrow.ArrowInvalid(f"column {leaf.path[:40]} has lists of many long texts: leave it out")
    return max(longest_text(file, chunk, page) for page in known)


def _fitting(file: IO[bytes], columns: list[_Column], group: RowGroup, most: int) -> tuple[int, int]:
    """Return how many of `most` rows may be unpacked at once, and the bytes of the arrays that are not measured."""
    rows = max(1, min(most, group.rows))
    lists = sorted((column for column in columns if column.leaf.depth), key=lambda column: column.unpacked)
    loose = sum(column.unpacked for column in lists)
    free = FREE_BYTES + int(_ARRAYS_RATIO * sum(column.packed for column in columns))
    in_a_row = sum(_largest(column, 1, rows) for column in columns if not column.leaf.depth)
    while lists and loose > free:  # arrays that pack so well are equal or very long
        column = lists.pop()
        loose -= column.unpacked
        length = longest_array(file, column.chunk, column.data) if column.leaf.depth == 1 else MOST_NUMBERS + 1
        if length > MOST_NUMBERS:
            raise pyarrow.ArrowInvalid(f"column {column.name} has an array of more than {MOST_NUMBERS} numbers")
        in_a_row += _largest(column, length, rows)
    return max(1, min(most, _AT_ONCE // max(1, in_a_row + loose // max(1, group.rows)))), loose


def _largest(column: _Column, length: int, rows: int) -> int:
    """Return the bytes of a column's largest cell; raises if so many cells repeat a long text."""
    size = length * column.width
    if column.width > _NUMBER_BYTES and size * rows > FREE_TEXT + RATIO * column.packed:
        raise pyarrow.ArrowInvalid(f"column {column.name} may repeat {size} bytes of text in each row: leave it out")
    return size
