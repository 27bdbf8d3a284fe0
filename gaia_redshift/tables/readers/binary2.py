"""Rows of VOTable's BINARY and BINARY2. Imports its neighbours.

A row is its fields one after the other, big-endian; an array of any length is preceded by its length. If all rows have
the same lengths, the places of all fields follow from the first row; else they are found row by row.
"""

import struct
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.readers.typed import column as typed_column
from gaia_redshift.tables.table import BLOCK_ROWS, Block

_TYPES = {
    "boolean": "S1", "bit": "u1", "unsignedByte": "u1", "short": ">i2", "int": ">i4", "long": ">i8", "char": "S1",
    "unicodeChar": ">u2", "float": ">f4", "double": ">f8", "floatComplex": ">f4", "doubleComplex": ">f8",
}  # fmt: skip
_TEXT = ("char", "unicodeChar")
_MOST_ROW_BYTES = 64 << 20


class VotableField:
    """One column of a VOTable.

    Parameters
    ----------
    name : str
    datatype : str
    arraysize : str
        Empty for single values.
    unit, ucd : str
    """

    def __init__(self, name: str, datatype: str, arraysize: str, unit: str = "", ucd: str = "") -> None:
        if datatype not in _TYPES:
            raise MalformedBodyError(f"the VOTable's column {name[:40]} has the datatype {datatype[:40]!r}")
        self.name, self.datatype, self.unit, self.ucd = name, datatype, unit, ucd
        self.description = ""
        self.null: int | None = None
        self.variable = arraysize.endswith("*")
        self.count = _count(name, arraysize.rstrip("*").rstrip("x") if self.variable else arraysize)
        self.pair = datatype.endswith("Complex")
        self.single = not arraysize or (arraysize == "1" and datatype not in _TEXT)

    @classmethod
    def from_attributes(cls, attributes: dict[str, str]) -> "VotableField":
        """Make a column from a FIELD element's attributes."""
        name = attributes.get("name") or attributes.get("ID") or ""
        return cls(
            name,
            attributes.get("datatype", "char"),
            attributes.get("arraysize", "").strip(),
            attributes.get("unit", ""),
            attributes.get("ucd", ""),
        )

    def set_null(self, text: str) -> None:
        """Set the whole number that means a missing value."""
        try:
            null = int(text, 0)
        except ValueError:
            return
        self.null = null if -(1 << 63) <= null < 1 << 63 else None

    @property
    def item(self) -> int:
        """Bytes of one element."""
        return np.dtype(_TYPES[self.datatype]).itemsize * (2 if self.pair else 1)

    @property
    def size(self) -> int:
        """Bytes in a row; for an array of any length, those of its length alone."""
        if self.variable:
            return 4
        return (self.count + 7) // 8 if self.datatype == "bit" else self.count * self.item

    @property
    def kind(self) -> pyarrow.DataType:
        """The column's type in Arrow."""
        if self.datatype in _TEXT:
            return pyarrow.string()
        element = {"boolean": pyarrow.bool_(), "bit": pyarrow.uint8()}.get(self.datatype)
        if self.datatype == "bit" and self.single:
            return pyarrow.bool_()
        if element is None:
            element = pyarrow.from_numpy_dtype(np.dtype(_TYPES[self.datatype]).newbyteorder("="))
        if self.variable:
            return pyarrow.list_(element)
        if self.single and not self.pair:
            return element
        return pyarrow.list_(element, self.size if self.datatype == "bit" else self.count * (2 if self.pair else 1))


def _count(name: str, arraysize: str) -> int:
    """Return the number of elements of an array size such as ``186`` or ``2x93``."""
    total = 1
    for part in filter(None, arraysize.split("x")):
        if not part.strip().isdecimal():
            raise MalformedBodyError(f"the VOTable's column {name[:40]} has the arraysize {arraysize[:40]!r}")
        total *= int(part)
    if total > _MOST_ROW_BYTES:
        raise MalformedBodyError(f"the VOTable's column {name[:40]} claims {total} elements a row")
    return total


class RowReader:
    """Makes blocks from a stream of bytes.

    Parameters
    ----------
    fields : sequence of VotableField
    columns : sequence of int
        Which of them are wanted.
    flags : bool
        Whether a row starts with bits that say which of its fields are null, as in BINARY2.
    """

    def __init__(self, fields: Sequence[VotableField], columns: Sequence[int], *, flags: bool) -> None:
        self._fields, self._columns = fields, columns
        self._flags = (len(fields) + 7) // 8 if flags else 0
        self._variable = [field for field in fields if field.variable]
        self._segments, self._places = self._arranged()
        self._rest = b""

    def _arranged(self) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the sizes of a row's parts, each ended by an array of any length, and each field's part and place."""
        segments: list[int] = []
        places: list[tuple[int, int]] = []
        at = self._flags
        for field in self._fields:
            places.append((len(segments), at))
            at += field.size
            if field.variable:
                segments.append(at)
                at = 0
        return [*segments, at], places

    def feed(self, content: bytes) -> Iterator[Block]:
        """Add bytes, and yield the rows that they complete."""
        self._rest += content
        if not any(self._segments):
            raise MalformedBodyError("the VOTable is damaged: its rows have no bytes")
        while True:
            starts, lengths, used = self._find(self._rest)
            if not len(starts):
                if len(self._rest) > _MOST_ROW_BYTES:
                    raise MalformedBodyError("the VOTable is damaged: a row is longer than 64 MB")
                return
            yield self._block(np.frombuffer(self._rest, np.uint8), starts, lengths)
            self._rest = self._rest[used:]

    def finish(self) -> Iterator[Block]:
        """Yield the last rows, after all bytes were added."""
        if self._rest:
            raise MalformedBodyError("the VOTable is damaged: its last row is not complete")
        return iter(())

    def _find(self, content: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Return where the parts of each whole row start, the lengths of its arrays, and the bytes of all."""
        segments = self._segments
        if not self._variable:
            rows = min(BLOCK_ROWS, len(content) // segments[0]) if segments[0] else 0
            starts = np.arange(rows, dtype=np.int64)[:, None] * segments[0]
            return starts, np.empty((rows, 0), np.int64), rows * segments[0]
        first = self._walk(content, 1)
        if not len(first[0]):
            return first
        size = first[2]
        rows = min(BLOCK_ROWS, len(content) // size)
        counters = [first[0][0, part] + segments[part] - 4 for part in range(len(self._variable))]
        table = np.frombuffer(content[: rows * size], np.uint8).reshape(rows, size)
        found = np.stack([table[:, at : at + 4].copy().view(">i4")[:, 0] for at in counters], axis=1)
        same = (found == first[1][0]).all(axis=1)
        equal = rows if same.all() else int(np.argmin(same))
        if equal < min(rows, 16) and equal < BLOCK_ROWS:
            return self._walk(content, BLOCK_ROWS)
        starts = first[0] + np.arange(equal, dtype=np.int64)[:, None] * size
        return starts, np.repeat(first[1], equal, axis=0), equal * size

    def _walk(self, content: bytes, most: int) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
        """Find the rows one by one."""
        unpack, total = struct.Struct(">i").unpack_from, len(content)
        parts = list(zip(self._segments, self._variable, strict=False))
        starts: list[list[int]] = []
        lengths: list[list[int]] = []
        used = 0
        while len(starts) < most:
            at, begun, counts = used, [used], []
            for size, field in parts:
                at += size
                if at > total:
                    break
                (count,) = unpack(content, at - 4)
                bytes_ = (count + 7) // 8 if field.datatype == "bit" else count * field.item
                if not 0 <= bytes_ <= _MOST_ROW_BYTES:
                    raise MalformedBodyError(
                        f"the VOTable is damaged: {field.name[:40]} claims {count} elements in a row"
                    )
                at += bytes_
                counts.append(count)
                begun.append(at)
            else:
                at += self._segments[-1]
                if at <= total:
                    starts.append(begun)
                    lengths.append(counts)
                    used = at
                    continue
            break
        width = len(self._variable)
        made = np.array(starts, np.int64).reshape(-1, width + 1)
        return made, np.array(lengths, np.int64).reshape(-1, width), used

    def _block(self, content: NDArray[np.uint8], starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Block:
        made = []
        for place in self._columns:
            field = self._fields[place]
            part, within = self._places[place]
            at = starts[:, part] + within
            null = None
            if self._flags:
                null = (content[starts[:, 0] + place // 8] >> (7 - place % 8)) & 1 == 1
            if field.variable:
                made.append(_arrays(content, at + 4, lengths[:, self._variable.index(field)], field, null))
            else:
                made.append(_fixed(content, at, field, null))
        names = [self._fields[place].name for place in self._columns]
        return Block(pyarrow.RecordBatch.from_arrays(made, names))


def _fixed(
    content: NDArray[np.uint8], at: NDArray[np.int64], field: VotableField, null: NDArray[np.bool_] | None
) -> pyarrow.Array:
    raw = content[at[:, None] + np.arange(field.size)]
    if field.datatype in _TEXT:
        return _text([row.tobytes() for row in raw], field, null)
    elements = _elements(raw.reshape(-1), field)
    if field.single and not field.pair:
        return _masked(elements, null)
    made = pyarrow.FixedSizeListArray.from_arrays(elements, field.kind.list_size)
    return _masked(made, null)


def _arrays(
    content: NDArray[np.uint8],
    at: NDArray[np.int64],
    counts: NDArray[np.int64],
    field: VotableField,
    null: NDArray[np.bool_] | None,
) -> pyarrow.Array:
    sizes = (counts + 7) // 8 if field.datatype == "bit" else counts * field.item
    if field.datatype in _TEXT:
        pairs = zip(at.tolist(), sizes.tolist(), strict=True)
        return _text([content[start : start + size].tobytes() for start, size in pairs], field, null)
    size = int(sizes[0]) if len(sizes) else 0
    if (sizes == size).all():
        flat = content[at[:, None] + np.arange(size)].reshape(-1)
    else:
        pairs = zip(at.tolist(), sizes.tolist(), strict=True)
        flat = np.concatenate([content[start : start + size] for start, size in pairs])
    elements = _elements(flat, field)
    lengths = sizes if field.datatype == "bit" else counts * (2 if field.pair else 1)
    offsets = pyarrow.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    if null is not None and null.any():
        return pyarrow.ListArray.from_arrays(offsets, elements, mask=pyarrow.array(null))
    return pyarrow.ListArray.from_arrays(offsets, elements)


def _elements(flat: NDArray[np.uint8], field: VotableField) -> pyarrow.Array:
    if field.datatype == "boolean":
        yes, no = np.isin(flat, list(b"Tt1")), np.isin(flat, list(b"Ff0"))
        return pyarrow.array(yes, mask=~(yes | no))
    if field.datatype == "bit" and field.single:
        return pyarrow.array(flat != 0)
    values: NDArray[np.generic] = np.ascontiguousarray(flat).view(_TYPES[field.datatype])
    return typed_column(values, field.null)


def _masked(made: pyarrow.Array, null: NDArray[np.bool_] | None) -> pyarrow.Array:
    if null is None or not null.any():
        return made
    rows = np.arange(len(made))
    return made.take(pyarrow.array(rows, mask=null))


def _text(rows: list[bytes], field: VotableField, null: NDArray[np.bool_] | None) -> pyarrow.Array:
    encoding = "utf-8" if field.datatype == "char" else "utf-16-be"
    texts = [row.decode(encoding, "replace").partition("\0")[0] for row in rows]
    return pyarrow.array(texts, pyarrow.string(), mask=null)
