"""Writing VOTable, as BINARY2. Imports its neighbours.

NumPy lays out a block of rows and one call encodes them; row by row it would take twenty times as long.
"""

import binascii
from collections.abc import Iterable, Mapping
from typing import IO
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray

from gaia_redshift.tables.samples import is_array, places
from gaia_redshift.tables.table import DESCRIPTION, UCD, UNIT, about
from gaia_redshift.tables.writers.plain import plain, unique_names

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">
<RESOURCE type="results">
"""
_DONE = '<INFO name="QUERY_STATUS" value="OK"/>\n'
"""DALI 1.1 requires it in a table that a service returns."""
_LINE_BYTES = 57
"""Bytes in a line of base64 of 76 characters."""

_TYPES = {
    "bool": "boolean", "int8": "short", "uint8": "unsignedByte", "int16": "short", "uint16": "int", "int32": "int",
    "uint32": "long", "int64": "long", "uint64": "long", "float": "float", "double": "double",
}  # fmt: skip
_CODES = {
    "boolean": "S1", "unsignedByte": "u1", "short": ">i2", "int": ">i4", "long": ">i8", "float": ">f4", "double": ">f8",
}  # fmt: skip

_ASCII = ("quality", "status")
"""Columns whose text is ASCII, as VOTable's ``char`` requires."""

Bytes = NDArray[np.uint8]


class VotableWriter:
    """Writes rows to a VOTable.

    Parameters
    ----------
    file : binary file
    about : mapping
        Becomes INFO elements.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        self._file, self._about = file, about
        self._rest = b""
        self._begun = False

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows, below the header if they are the first."""
        made = plain(_without_uint64(rows))
        if not self._begun:
            self._file.write((_HEAD + _DONE + _table(made.schema, self._about)).encode())
            self._file.write(b"<DATA>\n<BINARY2>\n<STREAM encoding='base64'>\n")
            self._begun = True
        content = self._rest + _rows(made).tobytes()
        whole = len(content) // _LINE_BYTES * _LINE_BYTES
        self._encode(content[:whole])
        self._rest = content[whole:]

    def _encode(self, content: bytes) -> None:
        if not content:
            return
        text = np.frombuffer(binascii.b2a_base64(content, newline=False), np.uint8)
        width = _LINE_BYTES // 3 * 4
        if len(text) % width:
            self._file.write(text.tobytes() + b"\n")
            return
        lines = np.full((len(text) // width, width + 1), ord("\n"), np.uint8)
        lines[:, :width] = text.reshape(-1, width)
        self._file.write(lines.tobytes())

    def close(self) -> None:
        """Write the end of the document."""
        if self._begun:
            self._encode(self._rest)
            self._file.write(b"</STREAM>\n</BINARY2>\n</DATA>\n</TABLE>\n</RESOURCE>\n</VOTABLE>\n")


def _without_uint64(rows: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return the rows with unsigned 64-bit integers as text: VOTable has no type for them."""
    if not any(pyarrow.types.is_uint64(kind) for kind in rows.schema.types):
        return rows
    columns = [
        column.cast(pyarrow.string()) if pyarrow.types.is_uint64(column.type) else column for column in rows.columns
    ]
    fields = [field.with_type(column.type) for field, column in zip(rows.schema, columns, strict=True)]
    return pyarrow.RecordBatch.from_arrays(columns, schema=pyarrow.schema(fields))


def header_text(schema: pyarrow.Schema, about_: Mapping[str, str]) -> str:
    """Return a VOTable without rows that describes the columns, for Parquet files (VOParquet 1.0)."""
    names = unique_names(schema.names)
    empty = pyarrow.RecordBatch.from_arrays([pyarrow.nulls(0, field.type) for field in schema], schema=schema)
    described = plain(empty).schema
    fields = [field.with_name(name) for name, field in zip(names, described, strict=True)]
    return _HEAD + _table(pyarrow.schema(fields), about_) + "</TABLE>\n</RESOURCE>\n</VOTABLE>\n"


def error_document(message: str, notes: Iterable[tuple[str, str]]) -> bytes:
    """Return a VOTable with an error message instead of a table (DALI 1.1).

    Parameters
    ----------
    message : str
    notes : iterable of (str, str)
        Names and values of further INFO elements.
    """
    failed = f'<INFO name="QUERY_STATUS" value="ERROR">{escape(_xml(message))}</INFO>\n'
    return (_HEAD + failed + _infos(notes) + "</RESOURCE>\n</VOTABLE>\n").encode()


def _infos(notes: Iterable[tuple[str, str]]) -> str:
    return "".join(f"<INFO name={quoteattr(_xml(name))} value={quoteattr(_xml(text))}/>\n" for name, text in notes)


def _table(schema: pyarrow.Schema, about_: Mapping[str, str]) -> str:
    lines = ["<TABLE>"]
    for name, field in zip(unique_names(schema.names), schema, strict=True):
        attributes = {"name": _xml(name), **datatype(name, field.type)}
        attributes |= {key: text for key, what in (("unit", UNIT), ("ucd", UCD)) if (text := about(field, what))}
        opened = "".join(f" {key}={quoteattr(text)}" for key, text in attributes.items())
        described = about(field, DESCRIPTION)
        text = f"<DESCRIPTION>{escape(_xml(described))}</DESCRIPTION>" if described else ""
        lines.append(f"<FIELD{opened}>{text}</FIELD>" if text else f"<FIELD{opened}/>")
    return _infos(about_.items()) + "".join(f"{line}\n" for line in lines)


def _xml(text: str) -> str:
    """Return text without characters that XML does not allow."""
    return "".join(one for one in text if one in "\t\n\r" or " " <= one < "\ufffe")


def datatype(name: str, kind: pyarrow.DataType) -> dict[str, str]:
    """Return a column's ``datatype`` and, where it is an array or text, its ``arraysize``."""
    if pyarrow.types.is_string(kind):
        return {"datatype": "char" if name in _ASCII else "unicodeChar", "arraysize": "*"}
    if not is_array(kind):
        return {"datatype": _TYPES[str(kind)]}
    size = str(kind.list_size) if pyarrow.types.is_fixed_size_list(kind) else "*"
    return {"datatype": _TYPES[str(kind.value_type)], "arraysize": size}


def _rows(batch: pyarrow.RecordBatch) -> Bytes:
    """Return the rows in BINARY2: flags of nulls, then the fields one after the other."""
    count = len(batch)
    nulls = np.zeros((count, -(-batch.num_columns // 8) * 8), np.bool_)
    for index, column in enumerate(batch.columns):
        if column.null_count:
            nulls[:, index] = column.is_null().to_numpy(zero_copy_only=False)
    parts: list[tuple[Bytes, NDArray[np.int64]]] = [_fixed(np.packbits(nulls, axis=1))]
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        parts += _parts(name, column)
    return _interleaved(_merged(parts), count)


def _fixed(table: Bytes) -> tuple[Bytes, NDArray[np.int64]]:
    """Return a part of every row, and its lengths."""
    return table, np.full(len(table), table.shape[1], np.int64)


def _parts(name: str, column: pyarrow.Array) -> list[tuple[Bytes, NDArray[np.int64]]]:
    """Return a column's bytes by row, of shape (n, k) where all have the same length, else flat."""
    kind = column.type
    if pyarrow.types.is_string(kind):
        flat, lengths = _flat_text(pc.fill_null(column, ""))
        if name not in _ASCII:
            flat, lengths = _utf16(column, flat, lengths)
        counts = lengths if name in _ASCII else lengths // 2
        return [_fixed(_bytes(counts.astype(">i4"))), (flat, lengths)]
    if not is_array(kind):
        return [_fixed(_numbers(column, _CODES[_TYPES[str(kind)]]))]
    code = _CODES[_TYPES[str(kind.value_type)]]
    if pyarrow.types.is_fixed_size_list(kind):
        values = _numbers(column.values.slice(column.offset * kind.list_size, len(column) * kind.list_size), code)
        return [_fixed(values.reshape(len(column), -1))]
    _, counts = places(column)
    there = column.is_valid().to_numpy(zero_copy_only=False)
    counts = np.where(there, counts, 0)
    elements = _numbers(column.flatten(), code)
    return [_fixed(_bytes(counts.astype(">i4"))), (elements.reshape(-1), counts * elements.shape[1])]


def _numbers(column: pyarrow.Array, code: str) -> Bytes:
    """Return numbers as bytes, shape (n, size of one); nulls become NaN, zero or a blank."""
    if pyarrow.types.is_boolean(column.type):
        truth = column.fill_null(False).to_numpy(zero_copy_only=False)
        return np.where(truth, ord("T"), ord("F")).astype(np.uint8)[:, None]
    missing: object = float("nan") if pyarrow.types.is_floating(column.type) else 0
    filled = column.fill_null(missing) if column.null_count else column
    return _bytes(filled.to_numpy(zero_copy_only=False).astype(code))


def _bytes(values: NDArray[np.generic]) -> Bytes:
    return np.ascontiguousarray(values).view(np.uint8).reshape(len(values), values.dtype.itemsize)


def _utf16(column: pyarrow.Array, flat: Bytes, lengths: NDArray[np.int64]) -> tuple[Bytes, NDArray[np.int64]]:
    """Return text in the encoding of ``unicodeChar``."""
    if not (flat & 128).any():
        wide = np.zeros(2 * len(flat), np.uint8)
        wide[1::2] = flat
        return wide, 2 * lengths
    rows = [(text or "").encode("utf-16-be") for text in column.to_pylist()]
    return np.frombuffer(b"".join(rows), np.uint8), np.array([len(row) for row in rows], np.int64)


def _flat_text(text: pyarrow.Array) -> tuple[Bytes, NDArray[np.int64]]:
    column = text.cast(pyarrow.large_binary())
    offsets = np.frombuffer(column.buffers()[1], np.int64)[column.offset : column.offset + len(column) + 1]
    buffer = column.buffers()[2]
    flat = np.frombuffer(buffer, np.uint8)[offsets[0] : offsets[-1]] if buffer is not None else np.empty(0, np.uint8)
    return flat, np.diff(offsets)


def _merged(parts: list[tuple[Bytes, NDArray[np.int64]]]) -> list[tuple[Bytes, NDArray[np.int64]]]:
    """Join neighbouring parts of fixed length."""
    made: list[tuple[Bytes, NDArray[np.int64]]] = []
    run: list[Bytes] = []
    for content, lengths in parts:
        if content.ndim == 2:
            run.append(content)
            continue
        if run:
            made.append(_fixed(np.concatenate(run, axis=1)))
            run = []
        made.append((content, lengths))
    return [*made, _fixed(np.concatenate(run, axis=1))] if run else made


def _interleaved(parts: list[tuple[Bytes, NDArray[np.int64]]], count: int) -> Bytes:
    """Return all parts of row 0, then of row 1, and so on."""
    if len(parts) == 1:
        return parts[0][0].reshape(-1)
    lengths = np.stack([each for _, each in parts], axis=1)
    starts = np.concatenate([[0], np.cumsum(lengths.reshape(-1))])[:-1].reshape(count, -1)
    made = np.empty(int(lengths.sum()), np.uint8)
    for index, (content, sizes) in enumerate(parts):
        at = starts[:, index]
        if content.ndim == 2:
            made[at[:, None] + np.arange(content.shape[1])] = content
        elif len(content):
            first = np.concatenate([[0], np.cumsum(sizes)[:-1]])
            made[np.repeat(at - first, sizes) + np.arange(len(content))] = content
    return made
