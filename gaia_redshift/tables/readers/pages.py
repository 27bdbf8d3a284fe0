"""The headers of a Parquet file's pages, checked before Arrow unpacks them. Imports `thrift`.

A page of some bytes may unpack to gigabytes (zstd), or claim that one row has a billion numbers (run lengths). Arrow
allocates the sizes in the headers of the pages, not those in the footer, so the headers are read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow

from gaia_redshift.tables.readers.thrift import I32, I64, LIST, STRUCT, Struct, read_struct, read_varint

MOST_HELD = 384 << 20
"""Most bytes of the pages that are in memory at once: one of each column, and its dictionary."""
MOST_NUMBERS = 4096
"""Most numbers in one cell of an array column; the archive's longest array has 1,485."""
_FREE_NUMBERS = 8_000_000
_FREE_TEXT, _TEXT_RATIO = 64 << 20, 20
_MOST_PAGE_VALUES = 64_000_000
_HEADER_BYTES, _MOST_HEADER_BYTES = 1 << 10, 1 << 20
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DELTA_BYTE_ARRAY = 7
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 5: "lz4_raw", 6: "zstd", 7: "lz4_raw"}
_MOST_FOOTER = 16 << 20


@dataclass(frozen=True, slots=True)
class _Page:
    header: Struct
    start: int

    @property
    def kind(self) -> int:
        return int(self.header[1, I32])

    @property
    def unpacked(self) -> int:
        return int(self.header[2, I32])

    @property
    def packed(self) -> int:
        return int(self.header[3, I32])

    @property
    def about(self) -> Struct:
        """The part of the header that belongs to the page's kind."""
        found: Struct = self.header[{_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}[self.kind], STRUCT]
        return found

    @property
    def values(self) -> int:
        return int(self.about[1, I32])


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of Parquet: its path, whether it holds text, and how deep its lists are."""

    path: str
    is_text: bool
    depth: int


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group in the footer: its number of rows, and where each leaf's pages are."""

    rows: int
    chunks: list[Struct]


def row_groups(file: IO[bytes]) -> list[RowGroup]:
    """Return the row groups that a file's footer names.

    Raises
    ------
    pyarrow.ArrowInvalid
        If the footer is damaged, or too long.
    """
    size = file.seek(0, 2)
    file.seek(max(0, size - 8))
    length = int(struct.unpack_from("<I", file.read(8))[0])
    if length > min(_MOST_FOOTER, size - 8):
        raise pyarrow.ArrowInvalid(f"its footer takes {length} bytes: write larger row groups")
    file.seek(size - 8 - length)
    try:
        footer, _ = read_struct(file.read(length))
        return [
            RowGroup(group[3, I64], [chunk[3, STRUCT] for chunk in group[1, LIST]])
            for group in footer.get((4, LIST), [])
        ]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise pyarrow.ArrowInvalid("its footer is damaged") from error


def leaves(schema: Any) -> list[Leaf]:
    """Return the leaves of a pyarrow.parquet.ParquetSchema, in the order of the chunks of a row group."""
    columns = [schema.column(number) for number in range(len(schema))]
    return [Leaf(one.path, one.physical_type == "BYTE_ARRAY", one.max_repetition_level) for one in columns]


def check_pages(file: IO[bytes], group: RowGroup, among: list[Leaf], names: set[str]) -> None:
    """Refuse a row group whose pages would take too much memory.

    Parameters
    ----------
    file : binary file that can seek
    group : RowGroup
    among : list of Leaf
        All leaves of the file.
    names : set of str
        The columns that will be read.

    Raises
    ------
    pyarrow.ArrowInvalid
        If they would, or a page header is damaged.
    """
    held = text = text_packed = 0
    if len(group.chunks) != len(among):
        raise pyarrow.ArrowInvalid("its footer is damaged")
    for leaf, chunk in zip(among, group.chunks, strict=True):
        if leaf.path not in names and not any(leaf.path.startswith(f"{name}.") for name in names):
            continue
        try:
            pages = list(_pages(file, chunk))
            data = [page for page in pages if page.kind != _DICTIONARY]
            known = sum(page.unpacked for page in pages if page.kind == _DICTIONARY)
            packed = sum(page.packed for page in pages)
            held += known + max((page.unpacked for page in data), default=0)
            if held > MOST_HELD:
                raise pyarrow.ArrowInvalid(f"its pages unpack to {held} bytes at once: write smaller pages")
            if leaf.is_text:
                text, text_packed = text + sum(page.unpacked for page in pages), text_packed + packed
                _check_text(leaf.path, data, known if leaf.depth else 0)
            if leaf.depth and sum(page.values for page in data) > group.rows + _FREE_NUMBERS + 4 * packed:
                # Arrays that compress so well are equal or very long: their lengths are checked.
                _check_lengths(file, leaf, chunk, data)
        except (KeyError, IndexError, TypeError, struct.error) as error:
            raise pyarrow.ArrowInvalid(f"a page header of column {leaf.path[:40]} is damaged") from error
    if text > _FREE_TEXT + _TEXT_RATIO * text_packed:
        raise pyarrow.ArrowInvalid(f"its text unpacks to {text} bytes, more than text can: write it with dictionaries")


def _check_text(path: str, pages: list[_Page], in_lists: int) -> None:
    for page in pages:
        if page.about.get((2 if page.kind == _DATA else 4, I32)) == _DELTA_BYTE_ARRAY:
            raise pyarrow.ArrowInvalid(
                f"the text of column {path[:40]} is in increments (DELTA_BYTE_ARRAY): write it plain"
            )
    if in_lists > 1 << 16:
        raise pyarrow.ArrowInvalid(f"column {path[:40]} has lists of many long texts: leave it out")


def _pages(file: IO[bytes], chunk: Struct) -> Iterator[_Page]:
    """Yield a column's pages, as far as Arrow reads them."""
    first, start = chunk.get((11, I64), 0), chunk[9, I64]
    start = min(start, first) if first > 0 else start
    values = chunk[5, I64]
    end, seen = start + chunk[7, I64], 0
    if start < 0:
        raise pyarrow.ArrowInvalid("its footer is damaged")
    while start < end and seen < values:
        header, size = _header(file, start)
        page = _Page(header, start + size)
        if page.kind in {_DATA, _DICTIONARY, _DATA_V2}:
            most = page.unpacked // 2 + 1 if page.kind == _DICTIONARY else _MOST_PAGE_VALUES
            if min(page.packed, page.unpacked, page.values) < 0 or page.values > most:
                raise pyarrow.ArrowInvalid(f"a page says that it holds {page.values} values: write smaller pages")
            seen += page.values if page.kind != _DICTIONARY else 0
            yield page
        start = page.start + max(0, page.packed)


def _check_lengths(file: IO[bytes], leaf: Leaf, chunk: Struct, pages: list[_Page]) -> None:
    """Refuse a column with an array of more than `MOST_NUMBERS`, by its repetition levels."""
    longest = 0
    for page in pages if leaf.depth == 1 else ():
        longest = _continued(_levels(file, chunk, page), page.values, longest)
        if longest > MOST_NUMBERS:
            break
    if leaf.depth > 1 or longest > MOST_NUMBERS:
        name = leaf.path.partition(".")[0]
        raise pyarrow.ArrowInvalid(f"column {name[:40]} has an array of more than {MOST_NUMBERS} numbers")


def _continued(levels: bytes, values: int, length: int) -> int:
    """Return how long the last array is after a page; more than `MOST_NUMBERS` as soon as one is.

    Levels are runs of one level, and groups of eight bits: 0 begins an array, 1 goes on with it.
    """
    position = seen = 0
    while seen < values:
        head, position = read_varint(levels, position)
        count = head >> 1
        if not count:
            raise pyarrow.ArrowInvalid("the levels of a page are damaged")
        if head & 1:
            for byte in levels[position : position + count]:
                for bit in range(min(8, values - seen)):
                    length = length + 1 if byte >> bit & 1 else 1
                    if length > MOST_NUMBERS:
                        return length
                seen += 8
            position += count
            if position > len(levels):
                raise pyarrow.ArrowInvalid("the levels of a page are damaged")
        else:
            length = length + min(count, values - seen) if levels[position] & 1 else 1
            seen, position = seen + count, position + 1
            if length > MOST_NUMBERS:
                return length
    return length


def _levels(file: IO[bytes], chunk: Struct, page: _Page) -> bytes:
    """Return the repetition levels of a page."""
    file.seek(page.start)
    if page.kind == _DATA_V2:
        return file.read(min(int(page.about[6, I32]), page.packed))
    content = file.read(page.packed)
    if chunk[4, I32]:
        codec = pyarrow.Codec(_CODECS[chunk[4, I32]])
        content = codec.decompress(content, page.unpacked, asbytes=True)
    return content[4 : 4 + int(struct.unpack_from("<I", content)[0])]


def _header(file: IO[bytes], start: int) -> tuple[Struct, int]:
    """Return the header of a page (parquet.thrift), and how long it is."""
    for size in (_HEADER_BYTES, _MOST_HEADER_BYTES):
        file.seek(start)
        text = file.read(size)
        try:
            return read_struct(text)
        except IndexError:
            if len(text) < size:
                break
        except ValueError:
            break
    raise pyarrow.ArrowInvalid("a page header is damaged or cut short")
