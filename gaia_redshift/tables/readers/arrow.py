"""Parquet files and Arrow files or streams, some thousand rows at a time. Imports its neighbours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any

import pyarrow
from pyarrow import parquet

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.astropy_header import with_units
from gaia_redshift.tables.readers.masks import masked, masks_of
from gaia_redshift.tables.table import BLOCK_ROWS, DESCRIPTION, MOST_COLUMNS, UCD, UNIT, Block, PlainTable

_BUFFER_BYTES = 1 << 20
"""Pages are read through a buffer of this size: without it a whole column of a row group is, all rows perhaps."""

_ASTROPY = "table_meta_yaml"
"""Where astropy keeps the units of the columns."""

MOST_UNPACKED = 4 << 30
"""Most bytes that one row group of Parquet, or one batch of Arrow, may claim to unpack to."""


def open_parquet(file: IO[bytes], block_rows: int = BLOCK_ROWS) -> PlainTable:
    """Open a Parquet file.

    Raises
    ------
    InvalidTableError
        If it has no rows, or too many columns.
    MalformedBodyError
        If it is damaged, or claims to unpack to more than memory can hold.
    """
    size = file.seek(0, 2)
    file.seek(0)
    try:
        table = parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        schema = table.schema_arrow
        _check_claims(table.metadata, size)
    except (pyarrow.ArrowException, OSError) as error:
        raise _broken("Parquet", error) from error
    _check_columns(schema)
    masks = masks_of(schema)
    hidden = set(masks.values())
    shown = pyarrow.schema([field for field in schema if field.name not in hidden])

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        names = [shown.names[place] for place in columns]
        read = [*names, *(masks[name] for name in names if name in masks)]
        try:
            # By name: Parquet's own numbers count the leaves of nested columns.
            for batch in table.iter_batches(block_rows, columns=read, use_threads=False):
                yield Block(masked(batch, names, masks))
        except (pyarrow.ArrowException, OSError) as error:
            raise _broken("Parquet", error) from error

    said = _said(schema)
    described = with_units(_described(shown), said.get(_ASTROPY, ""), "astropy's description in the Parquet file")
    return PlainTable("parquet", described, blocks, said)


def _in_order(batch: pyarrow.RecordBatch, names: Sequence[str]) -> pyarrow.RecordBatch:
    return pyarrow.RecordBatch.from_arrays([batch.column(name) for name in names], list(names))


def _check_claims(metadata: Any, size: int) -> None:
    if not metadata.num_rows:
        raise InvalidTableError("the table has no rows")
    for group in range(min(metadata.num_row_groups, 100_000)):
        columns = metadata.row_group(group)
        claimed = columns.total_byte_size
        if claimed > MOST_UNPACKED or claimed > max(64 << 20, size * 1000):
            raise MalformedBodyError(
                f"row group {group} of the Parquet file claims to unpack to {claimed} bytes: write smaller row groups"
            )


def open_arrow(file: IO[bytes]) -> PlainTable:
    """Open an Arrow file (Feather version 2) or stream; raises as `open_parquet`."""
    try:
        schema = _reader(file)[0].schema
    except (pyarrow.ArrowException, OSError) as error:
        raise _broken("Arrow", error) from error
    _check_columns(schema)
    if len(set(schema.names)) < len(schema.names):
        twice = next(name for name in schema.names if schema.names.count(name) > 1)
        raise InvalidTableError(f"duplicate column {twice}")

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        try:
            for batch in _batches(file, columns):
                batch.validate(full=True)
                chosen = _in_order(batch, [schema.names[place] for place in columns])
                for start in range(0, len(chosen), BLOCK_ROWS):
                    yield Block(chosen.slice(start, BLOCK_ROWS))
        except (pyarrow.ArrowException, OSError) as error:
            raise _broken("Arrow", error) from error

    return PlainTable("arrow", _described(schema), blocks, _said(schema))


def _reader(file: IO[bytes], **options: Any) -> tuple[Any, bool]:
    """Return what reads the file, and whether it is a file rather than a stream."""
    file.seek(0)
    is_file = file.read(6) == b"ARROW1"
    file.seek(0)
    return (pyarrow.ipc.open_file if is_file else pyarrow.ipc.open_stream)(file, **options), is_file


def _batches(file: IO[bytes], columns: Sequence[int]) -> Iterator[pyarrow.RecordBatch]:
    options = pyarrow.ipc.IpcReadOptions(included_fields=sorted(set(columns)), use_threads=False)
    reader, is_file = _reader(file, options=options)
    if is_file:
        for number in range(reader.num_record_batches):
            yield reader.get_batch(number)
    else:
        yield from reader


def _check_columns(schema: pyarrow.Schema) -> None:
    if len(schema) > MOST_COLUMNS:
        raise InvalidTableError(f"the table has {len(schema)} columns: at most {MOST_COLUMNS} are read")


def _described(schema: pyarrow.Schema) -> pyarrow.Schema:
    """Return the schema with metadata of columns that are known here alone."""
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


def _broken(kind: str, error: Exception) -> MalformedBodyError:
    return MalformedBodyError(f"the file is not {kind}: {(str(error).splitlines() or [''])[0][:200]}")
