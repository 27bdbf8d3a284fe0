"""What the pages of a Parquet file say of themselves, read before Arrow unpacks one. Imports pyarrow alone.

A page of some bytes may unpack to gigabytes (zstd), or say that one row has a billion numbers (run lengths). The
footer's sizes are only claims: what is allocated is what the header of each page says, so these are read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import pyarrow

MOST_HELD = 384 << 20
"""Most bytes of the pages that are in memory together: of each column one, and its dictionary."""
MOST_NUMBERS = 4096
"""Most numbers in one cell of an array column; the archive's longest array has 1,485."""
_FREE_NUMBERS = 8_000_000
_FREE_TEXT, _TEXT_RATIO = 64 << 20, 20
_MOST_PAGE_VALUES = 64_000_000
_HEADER_BYTES, _MOST_HEADER_BYTES = 1 << 10, 1 << 20
_DATA, _DICTIONARY, _DATA_V2 = 0, 2, 3
_DELTA_BYTE_ARRAY = 7
_CODECS = {"LZ4": "lz4_raw"}

Struct = dict[int, Any]


@dataclass(frozen=True, slots=True)
class _Page:
    header: Struct
    start: int

    @property
    def kind(self) -> int:
        return int(self.header[1])

    @property
    def unpacked(self) -> int:
        return int(self.header[2])

    @property
    def packed(self) -> int:
        return int(self.header[3])

    @property
    def about(self) -> Struct:
        """The part of the header that belongs to the page's kind."""
        found: Struct = self.header[{_DATA: 5, _DICTIONARY: 7, _DATA_V2: 8}[self.kind]]
        return found

    @property
    def values(self) -> int:
        return int(self.about[1])


def check_pages(file: IO[bytes], metadata: Any, group: int, names: set[str]) -> None:
    """Refuse a row group whose pages would take too much memory.

    Parameters
    ----------
    file : binary file that can seek
    metadata : pyarrow.parquet.FileMetaData
    group : int
        The row group.
    names : set of str
        The columns that will be read.

    Raises
    ------
    pyarrow.ArrowInvalid
        If they would, or a page header is damaged.
    """
    rows = metadata.row_group(group)
    held = text = text_packed = 0
    for number in range(metadata.num_columns):
        leaf = metadata.schema.column(number)
        if leaf.path not in names and leaf.path.partition(".")[0] not in names:
            continue
        chunk = rows.column(number)
        try:
            pages = list(_pages(file, chunk))
            data = [page for page in pages if page.kind != _DICTIONARY]
            known = sum(page.unpacked for page in pages if page.kind == _DICTIONARY)
            packed = sum(page.packed for page in pages)
            held += known + max((page.unpacked for page in data), default=0)
            if held > MOST_HELD:
                raise pyarrow.ArrowInvalid(f"its pages unpack to {held} bytes at once: write smaller pages")
            if leaf.physical_type == "BYTE_ARRAY":
                text, text_packed = text + sum(page.unpacked for page in pages), text_packed + packed
                _check_text(leaf.path, data, known if leaf.max_repetition_level else 0)
            if leaf.max_repetition_level:
                values = sum(page.values for page in data)
                if values > rows.num_rows + _FREE_NUMBERS + 4 * packed:
                    # Arrays that pack as well as this are all alike, or one of them has no end: each is measured.
                    _check_lengths(file, chunk, data, leaf.max_repetition_level)
        except (KeyError, IndexError, TypeError, struct.error) as error:
            raise pyarrow.ArrowInvalid(f"a page header of column {leaf.path[:40]} is damaged") from error
    if text > _FREE_TEXT + _TEXT_RATIO * text_packed:
        raise pyarrow.ArrowInvalid(f"its text unpacks to {text} bytes, more than text can: write it with dictionaries")


def _check_text(path: str, pages: list[_Page], in_lists: int) -> None:
    for page in pages:
        if page.about.get(2 if page.kind == _DATA else 4) == _DELTA_BYTE_ARRAY:
            raise pyarrow.ArrowInvalid(
                f"the text of column {path[:40]} is in increments (DELTA_BYTE_ARRAY): write it plain"
            )
    if in_lists > 1 << 16:
        raise pyarrow.ArrowInvalid(f"column {path[:40]} has lists of many long texts: leave it out")


def _pages(file: IO[bytes], chunk: Any) -> Iterator[_Page]:
    """Yield a column's pages, as far as Arrow reads them."""
    first = chunk.dictionary_page_offset
    start = chunk.data_page_offset
    start = min(start, first) if chunk.has_dictionary_page and first else start
    end, seen = start + chunk.total_compressed_size, 0
    while start < end and seen < chunk.num_values:
        header, size = _header(file, start)
        page = _Page(header, start + size)
        if page.kind in {_DATA, _DICTIONARY, _DATA_V2}:
            most = page.unpacked // 2 + 1 if page.kind == _DICTIONARY else _MOST_PAGE_VALUES
            if min(page.packed, page.unpacked, page.values) < 0 or page.values > most:
                raise pyarrow.ArrowInvalid(f"a page says that it holds {page.values} values: write smaller pages")
            seen += page.values if page.kind != _DICTIONARY else 0
            yield page
        start = page.start + max(0, page.packed)


def _check_lengths(file: IO[bytes], chunk: Any, pages: list[_Page], depth: int) -> None:
    """Refuse a column with an array of more than `MOST_NUMBERS`, by its repetition levels."""
    longest = 0
    for page in pages if depth == 1 else ():
        longest = _continued(_levels(file, chunk, page), page.values, longest)
        if longest > MOST_NUMBERS:
            break
    if depth > 1 or longest > MOST_NUMBERS:
        name = str(chunk.path_in_schema).partition(".")[0]
        raise pyarrow.ArrowInvalid(f"column {name[:40]} has an array of more than {MOST_NUMBERS} numbers")


def _continued(levels: bytes, values: int, length: int) -> int:
    """Return how long the last array is after a page; more than `MOST_NUMBERS` as soon as one is.

    Levels are runs of one level, and groups of eight bits: 0 begins an array, 1 goes on with it.
    """
    position = seen = 0
    while seen < values:
        head, position = _varint(levels, position)
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


def _levels(file: IO[bytes], chunk: Any, page: _Page) -> bytes:
    """Return the repetition levels of a page."""
    file.seek(page.start)
    if page.kind == _DATA_V2:
        return file.read(min(int(page.about[6]), page.packed))
    content = file.read(page.packed)
    if chunk.compression != "UNCOMPRESSED":
        codec = pyarrow.Codec(_CODECS.get(chunk.compression, chunk.compression.lower()))
        content = codec.decompress(content, page.unpacked, asbytes=True)
    return content[4 : 4 + int(struct.unpack_from("<I", content)[0])]


def _header(file: IO[bytes], start: int) -> tuple[Struct, int]:
    """Return the header of a page (parquet.thrift), and how long it is."""
    for size in (_HEADER_BYTES, _MOST_HEADER_BYTES):
        file.seek(start)
        text = file.read(size)
        try:
            return _struct(text, 0, 0)
        except IndexError:
            if len(text) < size:
                break
    raise pyarrow.ArrowInvalid("a page header is damaged or cut short")


def _struct(text: bytes, position: int, depth: int) -> tuple[Struct, int]:
    """Read a structure in Thrift's compact protocol, and where it ends."""
    found: Struct = {}
    field = 0
    while head := text[position]:
        position += 1
        kind = head & 15
        if head >> 4:
            field += head >> 4
        else:
            field, position = _whole(text, position)
        if kind in {1, 2}:
            found[field] = kind == 1
        elif kind in {4, 5, 6}:
            found[field], position = _whole(text, position)
        elif kind in {3, 7}:
            position += 1 if kind == 3 else 8
        elif kind == 8:
            size, position = _varint(text, position)
            position += size
        elif kind == 12 and depth < 4:
            found[field], position = _struct(text, position, depth + 1)
        else:
            raise pyarrow.ArrowInvalid("a page header is damaged")
    return found, position + 1


def _whole(text: bytes, position: int) -> tuple[int, int]:
    value, position = _varint(text, position)
    return (value >> 1) ^ -(value & 1), position


def _varint(text: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = text[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128 or shift > 63:
            return value, position
