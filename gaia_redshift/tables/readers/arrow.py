"""Parquet files and Arrow files or streams, some thousand rows at a time. Imports its neighbours."""

import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import IO, Any

import pyarrow
from pyarrow import parquet, types

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.astropy_header import with_units
from gaia_redshift.tables.readers.bounds import FREE_BYTES, RATIO, check_columns, check_text
from gaia_redshift.tables.readers.claims import claims
from gaia_redshift.tables.readers.masks import masked, masks_of
from gaia_redshift.tables.readers.pages import Leaf, RowGroup, leaves, row_groups
from gaia_redshift.tables.readers.unpacked import FREE_BYTES as FREE_ARRAYS
from gaia_redshift.tables.readers.unpacked import rows_at_once
from gaia_redshift.tables.samples import is_text
from gaia_redshift.tables.table import BLOCK_ROWS, DESCRIPTION, UCD, UNIT, Block, PlainTable

_BUFFER_BYTES = 1 << 20
"""Size of the buffer that pages are read through; without it a whole column of a row group is read at once."""

_ASTROPY = "table_meta_yaml"
"""Where astropy keeps the units of the columns."""

_MOST_BATCH = 512 << 20
"""Most bytes that one packed batch of Arrow may unpack to, and most rows of a batch."""

_WRONG = (pyarrow.ArrowException, OSError, OverflowError, ValueError, IndexError, RuntimeError, struct.error)
"""What pyarrow raises for damaged files, including exceptions of its C++ code and names that are not UTF-8."""


def open_parquet(file: IO[bytes], block_rows: int = BLOCK_ROWS) -> PlainTable:
    """Open a Parquet file.

    Raises
    ------
    InvalidTableError
        If it has no rows, too many columns, or one of a type that is not read.
    MalformedBodyError
        If it is damaged, or would unpack to more than memory can hold.
    """
    with _told("Parquet"):
        schema = parquet.ParquetFile(file, pre_buffer=False).schema_arrow
        check_columns(schema)
        # Text stays in its dictionary until its length is known: 4,000 cells with one text of 1 MB would take 4 GB.
        texts = [field.name for field in schema if is_text(field.type) or types.is_binary(field.type)]
        file.seek(0)
        # Damage in a page is found only if its writer stored checksums.
        table = parquet.ParquetFile(
            file,
            buffer_size=_BUFFER_BYTES,
            pre_buffer=False,
            read_dictionary=texts,
            page_checksum_verification=True,
        )
        metadata = table.metadata
        known, among = row_groups(file), leaves(table.schema)
        if not metadata.num_rows:
            raise InvalidTableError("the table has no rows")
        masks = masks_of(schema)
        hidden = set(masks.values())
        shown = pyarrow.schema([field for field in schema if field.name not in hidden])
        said = _said(schema)
        described = with_units(_described(shown), said.get(_ASTROPY, ""), "astropy's description in the Parquet file")

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        names = [shown.names[place] for place in columns]
        read = [*names, *(masks[name] for name in names if name in masks)]
        with _told("Parquet"):
            for groups, rows in _groups(file, known, among, set(read), block_rows):
                # By name, since Parquet's own numbers count the leaves of nested columns.
                for batch in table.iter_batches(rows, row_groups=groups, columns=read, use_threads=False):
                    yield Block(masked(_decoded(batch, schema), names, masks))

    return PlainTable("parquet", described, blocks, said, metadata.num_rows)


def _groups(
    file: IO[bytes], groups: Sequence[RowGroup], among: list[Leaf], names: set[str], rows: int
) -> Iterator[tuple[list[int], int]]:
    """Yield row groups that are read together, and how many rows at a time, after checking their pages.

    They have at least `rows` rows, or large arrays.
    """
    together: list[int] = []
    found, size, at_once = 0, 0, rows
    for number, group in enumerate(groups):
        fitting, loose = rows_at_once(file, group, among, names, rows)
        together.append(number)
        found, size, at_once = found + group.rows, size + loose, min(at_once, fitting)
        if found >= rows or size > FREE_ARRAYS:
            yield together, at_once
            together, found, size, at_once = [], 0, 0, rows
    if together:
        yield together, at_once


def _decoded(batch: pyarrow.RecordBatch, schema: pyarrow.Schema) -> pyarrow.RecordBatch:
    """Return a batch with text in dictionaries only where the schema has them."""
    check_text(batch)
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        kind = schema.field(name).type
        columns.append(column.cast(kind) if types.is_dictionary(column.type) and column.type != kind else column)
    return pyarrow.RecordBatch.from_arrays(columns, batch.schema.names)


def open_arrow(file: IO[bytes]) -> PlainTable:
    """Open an Arrow file (Feather version 2) or stream; raises as `open_parquet`.

    A file is read as the stream that follows its first eight bytes; its footer, which may be damaged, is not used.
    """
    with _told("Arrow"):
        rows = _check_claims(file)
        schema = _stream(file).schema
        check_columns(schema)
        if len(set(schema.names)) < len(schema.names):
            twice = next(name for name in schema.names if schema.names.count(name) > 1)
            raise InvalidTableError(f"duplicate column {twice}")
        described, said = _described(schema), _said(schema)

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        names = [schema.names[place] for place in columns]
        options = pyarrow.ipc.IpcReadOptions(included_fields=sorted(set(columns)), use_threads=False)
        with _told("Arrow"):
            for batch in _stream(file, options=options):
                batch.validate(full=True)
                chosen = pyarrow.RecordBatch.from_arrays([batch.column(name) for name in names], names)
                for start in range(0, len(chosen), BLOCK_ROWS):
                    block = chosen.slice(start, BLOCK_ROWS)
                    check_text(block)
                    yield Block(block)

    return PlainTable("arrow", described, blocks, said, rows)


def _begin(file: IO[bytes]) -> None:
    """Go to where the stream begins."""
    file.seek(0)
    file.seek(8 if file.read(6) == b"ARROW1" else 0)


def _stream(file: IO[bytes], **options: object) -> Any:
    _begin(file)
    return pyarrow.ipc.open_stream(file, **options)


def _check_claims(file: IO[bytes]) -> int:
    """Return the rows of a stream; refuse one with a batch that would unpack to more than memory can hold."""
    _begin(file)
    known = rows = 0
    for claim in claims(file):
        known += claim.unpacked if claim.kind == "dictionary" else 0
        size = claim.unpacked + (known if claim.kind == "record batch" else 0)
        if claim.unpacked != claim.packed and size > min(_MOST_BATCH, FREE_BYTES + RATIO * claim.packed):
            raise pyarrow.ArrowInvalid(f"one of its batches unpacks to {size} bytes: write smaller batches")
        if claim.rows > _MOST_BATCH:
            raise pyarrow.ArrowInvalid(f"one of its batches says that it has {claim.rows} rows")
        rows += claim.rows if claim.kind == "record batch" else 0
    return rows


def _described(schema: pyarrow.Schema) -> pyarrow.Schema:
    """Return the schema with only the metadata of columns that are used here."""
    known = (UNIT, DESCRIPTION, UCD)
    fields = [
        field.with_metadata({key: text for key, text in (field.metadata or {}).items() if key in known} or None)
        if field.metadata
        else field
        for field in schema
    ]
    return pyarrow.schema(fields)


def _said(schema: pyarrow.Schema) -> Mapping[str, str]:
    pairs = (schema.metadata or {}).items()
    return {key.decode("utf-8", "replace").lower(): text.decode("utf-8", "replace") for key, text in pairs}


@contextmanager
def _told(kind: str) -> Iterator[None]:
    """Raise MalformedBodyError for any error that a damaged file causes."""
    try:
        yield
    except _WRONG as error:
        why = (str(error).splitlines() or [""])[0][:200]
        raise MalformedBodyError(f"the file is not {kind}, or cannot be read: {why}") from error
