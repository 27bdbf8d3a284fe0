"""Binary tables of FITS files, some thousand rows at a time. Imports its neighbours; astropy parses the headers.

FITS Standard 4.0, section 7.3. The sizes in a header are compared with the size of the file before data are read.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import IO, Any

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.astropy_header import of_comments, with_units
from gaia_redshift.tables.readers.fits_columns import CODES, COMPLEX, FitsColumn, Header, describe, read_column, typed
from gaia_redshift.tables.table import BLOCK_ROWS, MOST_COLUMNS, Block, PlainTable

_BLOCK = 2880
_HEADER_BYTES = 8 << 20
_MOST_IN_BLOCK = 64 << 20
"""Most bytes of arrays of different lengths that one block may hold."""


def open_fits(file: IO[bytes]) -> PlainTable:
    """Open the first binary table of a FITS file.

    Parameters
    ----------
    file : binary file that can seek

    Raises
    ------
    InvalidTableError
        If it holds no binary table.
    MalformedBodyError
        If it is damaged, or shorter than its header says.
    """
    from astropy.io import fits

    try:
        return _first_table(file, file.seek(0, 2))
    except (fits.VerifyError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise MalformedBodyError(f"the FITS file is damaged: {str(error)[:200]}") from error


def _first_table(file: IO[bytes], size: int) -> PlainTable:
    place = 0
    while place < size:
        header, start = _header(file, place)
        if header.get("XTENSION", "").strip().upper() == "BINTABLE":
            return _table(file, header, start, size)
        if header.get("XTENSION", "").strip().upper() == "TABLE":
            raise InvalidTableError("the FITS file holds an ASCII table: write it as a binary table")
        place = start + _padded(_claimed(header))
    raise InvalidTableError("the FITS file holds no binary table")


def _header(file: IO[bytes], place: int) -> tuple[Header, int]:
    """Return the header that starts at a place, and the place where its data start."""
    from astropy.io import fits

    file.seek(place)
    text = b""
    while not any(
        text[card : card + 80].rstrip() == b"END" for card in range(max(0, len(text) - _BLOCK), len(text), 80)
    ):
        piece = file.read(_BLOCK)
        text += piece
        if len(piece) < _BLOCK or len(text) > _HEADER_BYTES:
            raise MalformedBodyError("the FITS file is damaged or cut short: a header has no end")
    try:
        return fits.Header.fromstring(text.decode("ascii")), place + len(text)
    except (ValueError, fits.VerifyError) as error:
        raise MalformedBodyError(f"the FITS file is damaged: {error}") from error


def _whole(header: Header, key: str, default: int | None = None) -> int:
    """Return a whole number that is not negative."""
    try:
        value = header.get(key, default)
    except Exception as error:  # astropy raises many kinds for a damaged card
        raise MalformedBodyError(f"the FITS file is damaged: {key} cannot be read") from error
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MalformedBodyError(f"the FITS file is damaged: {key} is {str(value)[:40]!r}")
    return value


def _claimed(header: Header) -> int:
    """Return the number of bytes of data that a header claims."""
    axes = [_whole(header, f"NAXIS{axis}") for axis in range(1, min(_whole(header, "NAXIS", 0), 999) + 1)]
    if not axes:
        return 0
    size = abs(int(header.get("BITPIX", 8))) // 8
    total = _whole(header, "GCOUNT", 1) * size * (_whole(header, "PCOUNT", 0) + int(np.prod(axes, dtype=object)))
    return int(total)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _table(file: IO[bytes], header: Header, start: int, size: int) -> PlainTable:
    width, rows = _whole(header, "NAXIS1"), _whole(header, "NAXIS2")
    count = _whole(header, "TFIELDS")
    if count > min(MOST_COLUMNS, 999):
        raise MalformedBodyError(f"the FITS file is damaged: it claims {count} columns")
    if not width:
        raise MalformedBodyError("the FITS file is damaged: its rows have no bytes")
    if start + width * rows > size:
        raise MalformedBodyError(
            f"the FITS file is cut short: its header claims {rows} rows of {width} bytes, {size - start} bytes follow"
        )
    if not rows:
        raise InvalidTableError("the table has no rows")
    heap = start + _whole(header, "THEAP", width * rows)
    columns = [read_column(header, number) for number in range(1, count + 1)]
    dtype = np.dtype([(str(place), *one.dtype) for place, one in enumerate(columns)])
    if dtype.itemsize != width:
        raise MalformedBodyError(f"the FITS file is damaged: its columns take {dtype.itemsize} bytes, a row {width}")
    reader = _Rows(file, columns, dtype, rows=rows, start=start, heap=heap, size=size)
    fields = [describe(header, number, one) for number, one in enumerate(columns, start=1)]
    comments = of_comments(header["COMMENT"]) if "COMMENT" in header else ""
    schema = with_units(pyarrow.schema(fields), comments, "astropy's description in the FITS header")
    return PlainTable("fits", schema, reader.blocks, _said(header))


def _said(header: Header) -> Mapping[str, str]:
    structure = re.compile(r"T(TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|UCD|COMM)\d+$")
    return {key.lower(): str(value) for key, value in header.items() if not structure.match(key)}


class _Rows:
    """Reads the rows of a table."""

    def __init__(
        self,
        file: IO[bytes],
        columns: list[FitsColumn],
        dtype: np.dtype[np.generic],
        *,
        rows: int,
        start: int,
        heap: int,
        size: int,
    ) -> None:
        self._file, self._columns, self._dtype = file, columns, dtype
        self._rows, self._start, self._heap, self._size = rows, start, heap, size

    def blocks(self, wanted: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        names = [self._columns[place].name for place in wanted]
        step = max(1, min(BLOCK_ROWS, (16 << 20) // max(1, self._dtype.itemsize)))
        for first in range(0, self._rows, step):
            count = min(step, self._rows - first)
            self._file.seek(self._start + first * self._dtype.itemsize)
            content = self._file.read(count * self._dtype.itemsize)
            if len(content) < count * self._dtype.itemsize:
                raise MalformedBodyError("the FITS file is cut short")
            rows = np.frombuffer(content, self._dtype)
            yield Block(pyarrow.RecordBatch.from_arrays([self._read(rows, place) for place in wanted], names))

    def _read(self, rows: NDArray[Any], place: int) -> pyarrow.Array:
        one, values = self._columns[place], rows[str(place)]
        if not one.variable:
            return typed(values, one) if one.repeat else pyarrow.nulls(len(values), one.kind)
        counts, offsets = values[:, 0].astype(np.int64), values[:, 1].astype(np.int64)
        if (counts > self._size).any() or (offsets > self._size).any():  # larger values would overflow below
            raise MalformedBodyError(f"the FITS file is damaged: column {one.name} points beyond its end")
        kind = np.dtype(CODES[one.variable])
        if one.variable in COMPLEX:
            counts = counts * 2
        if one.variable == "X":
            counts = (counts + 7) // 8
        sizes = counts * kind.itemsize
        ends = self._heap + offsets + sizes
        if (counts < 0).any() or (offsets < 0).any() or (ends > self._size).any():
            raise MalformedBodyError(f"the FITS file is damaged: column {one.name} points beyond its end")
        if sizes.sum() > _MOST_IN_BLOCK:
            raise MalformedBodyError(f"column {one.name} holds {int(counts.max())} numbers a row: too many to read")
        flat = self._gather(offsets, sizes)
        if one.variable == "A":
            bounds = np.concatenate([[0], np.cumsum(sizes)])
            return pyarrow.array(
                [flat[a:b].tobytes().split(b"\0")[0].decode("utf-8", "replace") for a, b in pairwise(bounds.tolist())],
                pyarrow.string(),
            )
        elements = typed(flat.view(kind), one)
        return pyarrow.ListArray.from_arrays(
            pyarrow.array(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)), elements.cast(one.kind.value_type)
        )

    def _gather(self, offsets: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the bytes of the arrays of some rows, one after the other."""
        filled = sizes > 0
        if not filled.any():
            return np.empty(0, np.uint8)
        low, high = int(offsets[filled].min()), int((offsets + sizes)[filled].max())
        if high - low > 4 * _MOST_IN_BLOCK:  # scattered over the heap: row by row
            pieces = []
            for offset, size in zip(offsets[filled].tolist(), sizes[filled].tolist(), strict=True):
                self._file.seek(self._heap + offset)
                pieces.append(self._file.read(size))
            return np.frombuffer(b"".join(pieces), np.uint8)
        self._file.seek(self._heap + low)
        content = np.frombuffer(self._file.read(high - low), np.uint8)
        size = int(sizes[filled][0])
        if (sizes[filled] == size).all():
            return np.asarray(content[(offsets[filled] - low)[:, None] + np.arange(size)].reshape(-1))
        parts = zip((offsets[filled] - low).tolist(), sizes[filled].tolist(), strict=True)
        return np.concatenate([content[start : start + size] for start, size in parts])
