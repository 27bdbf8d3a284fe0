"""ECSV: CSV below a YAML header that gives each column its type, unit and description. Imports its neighbours.

Astropy's format (APE 6). The header is YAML, read as plain values; the rows are read as CSV.
"""

from collections.abc import Mapping
from typing import IO

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.archive_text import ArchiveText, is_archive
from gaia_redshift.tables.readers.astropy_header import read_yaml
from gaia_redshift.tables.readers.csv import BLOCK_BYTES, CsvTable
from gaia_redshift.tables.readers.dialect import read_head
from gaia_redshift.tables.table import described

MARK = "%ECSV"

_TYPES: dict[str, pyarrow.DataType] = {
    "bool": pyarrow.bool_(),
    "float16": pyarrow.float32(),
    "float32": pyarrow.float32(),
    "float64": pyarrow.float64(),
    "float128": pyarrow.float64(),
}
_TYPES |= {f"{sign}int{bits}": getattr(pyarrow, f"{sign}int{bits}")() for sign in ("", "u") for bits in (8, 16, 32, 64)}


def open_ecsv(file: IO[bytes], block_bytes: int = BLOCK_BYTES) -> CsvTable | ArchiveText:
    """Open an ECSV file; one whose header names no columns is read as CSV.

    Raises
    ------
    InvalidTableError
        If the file is empty.
    MalformedBodyError
        If its header is not YAML, or does not fit its columns.
    """
    comments = read_head(file, b",").comments
    header = _header(comments)
    delimiter = str(header.get("delimiter", ",")).encode()
    if delimiter not in {b",", b" "}:
        raise MalformedBodyError(
            f"the ECSV header says that the delimiter is {delimiter.decode()!r}: it must be , or blank"
        )
    columns = header.get("datatype")
    if not isinstance(columns, list):
        return CsvTable(file, block_bytes)
    if "delimiter" not in header:
        delimiter = b" "
    head = read_head(file, delimiter)
    fields = [_field(column) for column in columns]
    if [field.name for field in fields] != head.names:
        raise MalformedBodyError("the columns of the ECSV header are not those of the table")
    if mask := next((name for name in head.names if name.endswith(".mask") and name[:-5] in head.names), None):
        raise InvalidTableError(
            f"the column {mask} holds a mask apart from its numbers: write the table without serialize_method, so that "
            "masked cells are empty",
            [Detail(mask, "is not read")],
        )
    said = {str(key).lower(): str(value) for key, value in _pairs(header.get("meta"))}
    if is_archive(head.names, delimiter):
        return ArchiveText(file, head, fields, said)
    table = CsvTable(file, block_bytes, head, fields)
    table.format, table.said = "ecsv", said
    return table


def _header(comments: list[str]) -> Mapping[str, object]:
    lines = [comment.removeprefix(" ") for comment in comments]
    return read_yaml("\n".join(line for line in lines if not line.startswith(MARK)), "the ECSV header")


def _pairs(meta: object) -> list[tuple[object, object]]:
    """Return the pairs of astropy's metadata: a map, or a list of maps of one pair."""
    if isinstance(meta, dict):
        return list(meta.items())
    if isinstance(meta, list):
        return [pair for one in meta if isinstance(one, dict) for pair in one.items()]
    return []


def _field(column: object) -> pyarrow.Field:
    if not isinstance(column, dict) or "name" not in column:
        raise MalformedBodyError("the ECSV header describes a column without a name")
    kind = _TYPES.get(str(column.get("datatype")), pyarrow.string())
    subtype = str(column.get("subtype", ""))
    if pyarrow.types.is_string(kind) and "[" in subtype:
        element = _TYPES.get(subtype.partition("[")[0])
        kind = pyarrow.string() if element is None else pyarrow.list_(element)
    known = dict(_pairs(column.get("meta")))
    ucd = str(known.get("ucd", ""))
    return described(str(column["name"]), kind, str(column.get("unit", "")), str(column.get("description", "")), ucd)
