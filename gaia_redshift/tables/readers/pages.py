"""The pages of a Parquet file: their headers, the lengths of arrays, dictionaries. Imports `thrift`."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow

from gaia_redshift.tables.readers.thrift import I32, I64, LIST, STRUCT, Struct, read_struct, read_varint

MOST_NUMBERS = 4096
"""Most numbers in one cell of an array column; the archive's longest array has 1,485."""
_MOST_PAGE_VALUES = 64_000_000
_HEADER_BYTES, _MOST_HEADER_BYTES = 1 << 10, 1 << 20
DATA, DICTIONARY, DATA_V2 = 0, 2, 3
DELTA_BYTE_ARRAY = 7
DICTIONARIES = frozenset({2, 8})
"""Encodings whose values name entries of the dictionary."""
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "FLOAT": 4, "INT64": 8, "DOUBLE": 8, "INT96": 12}
_CODECS = {1: "snappy", 2: "gzip", 4: "brotli", 5: "lz4_raw", 6: "zstd", 7: "lz4_raw"}
_MOST_FOOTER = 16 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its header (parquet.thrift), and where its content starts in the file."""

    header: Struct
    start: int

    @property
    def kind(self) -> int:
        """`DATA`, `DICTIONARY` or `DATA_V2`."""
        return int(self.header[1, I32])

    @property
    def unpacked(self) -> int:
        """Bytes of its content in memory."""
        return int(self.header[2, I32])

    @property
    def packed(self) -> int:
        """Bytes of its content in the file."""
        return int(self.header[3, I32])

    @property
    def about(self) -> Struct:
        """The part of the header that belongs to the page's kind."""
        found: Struct = self.header[{DATA: 5, DICTIONARY: 7, DATA_V2: 8}[self.kind], STRUCT]
        return found

    @property
    def values(self) -> int:
        """Values in it, missing ones and empty arrays included."""
        return int(self.about[1, I32])

    @property
    def encoding(self) -> int:
        """How its values are written, such as `DELTA_BYTE_ARRAY`."""
        return int(self.about.get((4 if self.kind == DATA_V2 else 2, I32), 0))


@dataclass(frozen=True, slots=True)
class Leaf:
    """A column of Parquet: its path, how deep its lists are, and the bytes of one value; 0 for text."""

    path: str
    depth: int
    width: int


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
    return [
        Leaf(one.path, one.max_repetition_level, _WIDTHS.get(one.physical_type, max(0, one.length))) for one in columns
    ]


def pages_of(file: IO[bytes], chunk: Struct) -> Iterator[Page]:
    """Yield a column's pages, as far as Arrow reads them; raises pyarrow.ArrowInvalid for impossible headers."""
    first, start = chunk.get((11, I64), 0), chunk[9, I64]
    start = min(start, first) if first > 0 else start
    values = chunk[5, I64]
    end, seen = start + chunk[7, I64], 0
    if start < 0:
        raise pyarrow.ArrowInvalid("its footer is damaged")
    while start < end and seen < values:
        header, size = _header(file, start)
        page = Page(header, start + size)
        if page.kind in {DATA, DICTIONARY, DATA_V2}:
            most = page.unpacked // 2 + 1 if page.kind == DICTIONARY else _MOST_PAGE_VALUES
            if min(page.packed, page.unpacked, page.values) < 0 or page.values > most:
                raise pyarrow.ArrowInvalid(f"a page says that it holds {page.values} values: write smaller pages")
            seen += page.values if page.kind != DICTIONARY else 0
            yield page
        start = page.start + max(0, page.packed)


def longest_array(file: IO[bytes], chunk: Struct, pages: list[Page]) -> int:
    """Return the most values in one cell of a column of lists; more than `MOST_NUMBERS` if it is longer."""
    longest = length = 0
    for page in pages:
        length, longest = _continued(_levels(file, chunk, page), page.values, length, longest)
        if longest > MOST_NUMBERS:
            break
    return longest


def longest_text(file: IO[bytes], chunk: Struct, dictionary: Page) -> int:
    """Return the bytes of the longest text in a dictionary."""
    text = _content(file, chunk, dictionary)
    longest = position = 0
    while position + 4 <= len(text):
        (length,) = struct.unpack_from("<I", text, position)
        longest, position = max(longest, length), position + 4 + length
    return longest


def _continued(levels: bytes, values: int, length: int, longest: int) -> tuple[int, int]:
    """Return how long the last array is after a page, and the longest; it stops as soon as one is too long.

    Levels are runs of one level, and groups of eight bits: 0 begins an array, 1 goes on with it.
    """
    position = seen = 0
    while seen < values and longest <= MOST_NUMBERS:
        head, position = read_varint(levels, position)
        count = head >> 1
        if not count:
            raise pyarrow.ArrowInvalid("the levels of a page are damaged")
        if head & 1:
            for byte in levels[position : position + count]:
                for bit in range(min(8, values - seen)):
                    length = length + 1 if byte >> bit & 1 else 1
                    longest = max(longest, length)
                seen += 8
            position += count
            if position > len(levels):
                raise pyarrow.ArrowInvalid("the levels of a page are damaged")
        else:
            length = length + min(count, values - seen) if levels[position] & 1 else 1
            longest = max(longest, length)
            seen, position = seen + count, position + 1
    return length, longest


def _levels(file: IO[bytes], chunk: Struct, page: Page) -> bytes:
    """Return the repetition levels of a page."""
    if page.kind == DATA_V2:
        file.seek(page.start)
        return file.read(min(int(page.about[6, I32]), page.packed))
    content = _content(file, chunk, page)
    return content[4 : 4 + int(struct.unpack_from("<I", content)[0])]


def _content(file: IO[bytes], chunk: Struct, page: Page) -> bytes:
    """Return the unpacked content of a page that is not of version 2."""
    file.seek(page.start)
    content = file.read(page.packed)
    if chunk[4, I32]:
        codec = pyarrow.Codec(_CODECS[chunk[4, I32]])
        content = codec.decompress(content, page.unpacked, asbytes=True)
    return content


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
