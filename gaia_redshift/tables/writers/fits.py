"""Writing FITS, one binary table. Imports its neighbours; astropy writes the header.

A FITS header gives the number of rows and the length of the longest text, so rows wait in a temporary file until the
last is known. Memory holds one block of them.
"""

import tempfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from gaia_redshift.tables.samples import is_array, places
from gaia_redshift.tables.table import DESCRIPTION, UCD, UNIT, about
from gaia_redshift.tables.writers.plain import plain, unique_names

_BLOCK = 2880
_IN_MEMORY_BYTES = 8 << 20
_CODES = {
    "uint8": "B", "int16": "I", "int32": "J", "int64": "K", "float": "E", "double": "D", "bool": "L",
    "int8": "B", "uint16": "I", "uint32": "J", "uint64": "K",
}  # fmt: skip
_STORED = {"B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "L": "S1"}
_ZEROS = {"int8": -(1 << 7), "uint16": 1 << 15, "uint32": 1 << 31, "uint64": 1 << 63}


class FitsWriter:
    """Writes rows to a FITS file; the file itself is written when it is closed.

    Parameters
    ----------
    file : binary file
    about : mapping
        Goes into the table's header, as far as FITS can hold it.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        self._file, self._about = file, about
        self._waiting: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed by `close`
        self._stream: Any = None
        self._columns: list[_Column] = []
        self._rows = 0

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        made = plain(rows)
        if self._stream is None:
            self._stream = pyarrow.ipc.new_stream(self._waiting, made.schema)
            names = unique_names(made.schema.names)
            self._columns = [_Column(name, field) for name, field in zip(names, made.schema, strict=True)]
        for column, values in zip(self._columns, made.columns, strict=True):
            column.see(values)
        self._rows += len(made)
        self._stream.write_batch(made)

    def close(self) -> None:
        """Write the file."""
        if self._stream is None:
            return
        self._stream.close()
        self._waiting.seek(0)
        heap = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - closed below
        try:
            self._file.write(_primary())
            self._file.write(self._header())
            size = 0
            with pyarrow.ipc.open_stream(self._waiting) as stream:
                for batch in stream:
                    parts = [
                        each.stored(values, heap) for each, values in zip(self._columns, batch.columns, strict=True)
                    ]
                    content = np.concatenate(parts, axis=1).tobytes() if parts else b""
                    self._file.write(content)
                    size += len(content)
            size += self._copy(heap)
            self._file.write(b"\0" * (-size % _BLOCK))
        finally:
            heap.close()
            self._waiting.close()

    def _copy(self, heap: IO[bytes]) -> int:
        size = heap.tell()
        heap.seek(0)
        while piece := heap.read(1 << 20):
            self._file.write(piece)
        return size

    def _header(self) -> bytes:
        from astropy.io import fits

        header = fits.Header()
        width = sum(column.width for column in self._columns)
        header["XTENSION"] = "BINTABLE"
        for key, value in (
            ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", self._rows),
            ("PCOUNT", sum(column.heap for column in self._columns)), ("GCOUNT", 1), ("TFIELDS", len(self._columns)),
        ):  # fmt: skip
            header[key] = value
        for number, column in enumerate(self._columns, start=1):
            for key, text in column.cards().items():
                header[f"{key}{number}"] = text
        for key, text in self._about.items():
            card = key.upper().replace("_", "")[:8]
            header[card] = _ascii(text)
        return str(header.tostring()).encode("ascii")


def _primary() -> bytes:
    from astropy.io import fits

    return str(fits.PrimaryHDU().header.tostring()).encode("ascii")


def _ascii(text: str) -> str:
    """Return text in the characters of a FITS header."""
    return "".join(one if " " <= one <= "~" else "?" for one in text)


class _Column:
    """One column, and what the header must say about all its rows."""

    def __init__(self, name: str, field: pyarrow.Field) -> None:
        self.name, self.field, self.kind = name, field, field.type
        self.longest = 1  # also if all texts are empty: astropy fills a column of width zero with memory's content
        self.most = 0
        self.heap = 0
        self.nulls = False
        self.taken: set[int] = set()
        self._end = 0

    @property
    def is_text(self) -> bool:
        return bool(pyarrow.types.is_string(self.kind))

    @property
    def is_variable(self) -> bool:
        return is_array(self.kind) and not pyarrow.types.is_fixed_size_list(self.kind)

    @property
    def element(self) -> str:
        """The name of the type of single numbers."""
        return str(self.kind.value_type if is_array(self.kind) else self.kind)

    @property
    def item(self) -> int:
        return np.dtype(_STORED[_CODES[self.element]]).itemsize

    @property
    def count(self) -> int:
        return int(self.kind.list_size) if is_array(self.kind) else 1

    @property
    def width(self) -> int:
        if self.is_text:
            return self.longest
        return 16 if self.is_variable else self.count * self.item

    @property
    def null(self) -> int:
        """The whole number that means null: the least of the type, for unsigned bytes the largest."""
        return 255 if _CODES[self.element] == "B" else int(np.iinfo(_STORED[_CODES[self.element]]).min)

    def see(self, values: pyarrow.Array) -> None:
        """Add rows."""
        if self.is_text:
            self.longest = max(self.longest, pc.max(pc.binary_length(values)).as_py() or 0)
        elif self.is_variable:
            counts = values.value_lengths().fill_null(0)
            self.most = max(self.most, pc.max(counts).as_py() or 0)
            self.heap += (pc.sum(counts).as_py() or 0) * self.item
        self.nulls |= values.null_count > 0

    def cards(self) -> dict[str, object]:
        """Return the column's cards of the header."""
        code = "A" if self.is_text else _CODES[self.element]
        form = f"1Q{code}({self.most})" if self.is_variable else f"{self.longest if self.is_text else self.count}{code}"
        cards: dict[str, object] = {"TTYPE": _ascii(self.name), "TFORM": form}
        if not self.is_text and self.element in _ZEROS:
            cards["TZERO"] = _ZEROS[self.element]
        if self.nulls and not self.is_text and code in "BIJK":
            cards["TNULL"] = self.null
        for key, what in (("TUNIT", UNIT), ("TUCD", UCD), ("TCOMM", DESCRIPTION)):
            if text := about(self.field, what):
                cards[key] = _ascii(text)
        return cards

    def stored(self, values: pyarrow.Array, heap: IO[bytes]) -> NDArray[np.uint8]:
        """Return the bytes of some rows, shape (n, width); arrays of any length are written to the heap."""
        if self.is_text:
            return _padded(values, self.longest)
        if self.is_variable:
            return self._on_heap(values, heap)
        if is_array(self.kind):
            there = values.is_valid().to_numpy(zero_copy_only=False)
            flat = values.values.slice(values.offset * self.count, len(values) * self.count)
            numbers = self._numbers(flat).reshape(len(values), -1)
            if not there.all() and pyarrow.types.is_floating(self.kind.value_type):
                missing = np.full(self.count, np.nan, _STORED[_CODES[self.element]])
                numbers = np.where(there[:, None], numbers, missing.view(np.uint8))
            return numbers
        return self._numbers(values)

    def _on_heap(self, values: pyarrow.Array, heap: IO[bytes]) -> NDArray[np.uint8]:
        _, counts = places(values)
        counts = np.where(values.is_valid().to_numpy(zero_copy_only=False), counts, 0)
        begin = heap.tell()
        heap.write(self._numbers(values.flatten()).tobytes())
        starts = begin + np.concatenate([[0], np.cumsum(counts * self.item)])[:-1]
        pairs = np.stack([counts, starts], axis=1).astype(">i8")
        return pairs.view(np.uint8).reshape(len(values), 16)

    def _numbers(self, values: pyarrow.Array) -> NDArray[np.uint8]:
        """Return numbers as bytes, shape (n, item)."""
        code = _CODES[self.element]
        if code == "L":
            truth = values.fill_null(False).to_numpy(zero_copy_only=False)
            made: NDArray[Any] = np.where(truth, ord("T"), ord("F")).astype(np.uint8)
            if values.null_count:
                made[values.is_null().to_numpy(zero_copy_only=False)] = 0
            return made[:, None]
        missing: object = float("nan") if code in "ED" else 0
        plain_ = (values.fill_null(missing) if values.null_count else values).to_numpy(zero_copy_only=False)
        if self.element in _ZEROS:
            stored = np.dtype(_STORED[code]).newbyteorder("=")
            plain_ = plain_.view(stored) ^ np.array(_flip(self.element)).astype(stored)
        made = np.ascontiguousarray(plain_.astype(_STORED[code]))
        if values.null_count and code not in "ED":
            made[values.is_null().to_numpy(zero_copy_only=False)] = self.null
        return made.view(np.uint8).reshape(len(values), made.dtype.itemsize)


def _flip(element: str) -> int:
    """Return the highest bit of the stored type: adding TZERO inverts it."""
    return 128 if element == "int8" else int(np.iinfo(element.removeprefix("u")).min)


def _padded(values: pyarrow.Array, width: int) -> NDArray[np.uint8]:
    """Return text of fixed width, padded with zeros."""
    made = np.zeros((len(values), width), np.uint8)
    raw = pc.fill_null(values, "").cast(pyarrow.large_binary())
    offsets = np.frombuffer(raw.buffers()[1], np.int64)[raw.offset : raw.offset + len(raw) + 1]
    lengths = np.diff(offsets)
    if lengths.sum():
        flat = np.frombuffer(raw.buffers()[2], np.uint8)[offsets[0] : offsets[-1]]
        rows = np.repeat(np.arange(len(values)), lengths)
        within = np.arange(len(flat)) - np.repeat(offsets[:-1] - offsets[0], lengths)
        made[rows, within] = flat
    return made
