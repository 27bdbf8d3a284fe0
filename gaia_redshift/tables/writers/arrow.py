"""Writing Parquet and Arrow. Imports its neighbours."""

from collections.abc import Mapping
from typing import IO, Any

import pyarrow
from pyarrow import parquet

from gaia_redshift.tables.buffers import from_texts
from gaia_redshift.tables.writers.votable import header_text

_GROUP_ROWS = 1 << 17
_NUMBERS = {pyarrow.float32(), pyarrow.float64(), pyarrow.int64(), pyarrow.uint64()}


class ParquetWriter:
    """Writes rows to a Parquet file, with a row group for every hundred thousand.

    Units, descriptions and UCDs are in the fields' metadata, and in a VOTable header in the file's metadata, which
    TOPCAT and astropy read (VOParquet 1.0).

    Parameters
    ----------
    file : binary file
    about : mapping
        Goes into the file's metadata.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        self._file, self._about = file, about
        self._writer: parquet.ParquetWriter | None = None
        self._batches: list[pyarrow.RecordBatch] = []
        self._rows = 0

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        self._batches.append(_with_error_text(rows))
        self._rows += len(rows)
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def note(self, about: Mapping[str, str]) -> None:
        """Add to the file's metadata what is known only after its rows."""
        self._flush()
        if self._writer is not None:
            self._writer.add_key_value_metadata(dict(about))

    def close(self) -> None:
        """Write the remaining rows and the footer."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._batches:
            return
        table = pyarrow.Table.from_batches(self._batches)
        if self._writer is None:
            schema = _described(table.schema, self._about)
            # Redshifts and identifiers hardly repeat: dictionaries would take twice the time and a seventh more space.
            words = [field.name for field in schema if field.type not in _NUMBERS]
            self._writer = parquet.ParquetWriter(
                self._file, schema, compression="zstd", use_dictionary=words, write_page_checksum=True
            )
            self._schema = schema
        self._writer.write_table(table.cast(self._schema), row_group_size=_GROUP_ROWS)
        self._batches, self._rows = [], 0


def _with_error_text(rows: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return the rows with an empty text where there is no error: astropy reads no Parquet whose text has nulls."""
    if "error" not in rows.schema.names or not pyarrow.types.is_string(rows.schema.field("error").type):
        return rows
    place = rows.schema.names.index("error")
    return rows.set_column(place, rows.schema.field(place), rows.column(place).fill_null(from_texts([""])[0]))


def _described(schema: pyarrow.Schema, about_: Mapping[str, str]) -> pyarrow.Schema:
    said: dict[Any, Any] = dict(about_)
    said["IVOA.VOTable-Parquet.version"] = "1.0"
    said["IVOA.VOTable-Parquet.content"] = header_text(schema, about_)
    return pyarrow.schema([field.with_type(_readable(field.type)) for field in schema], metadata=said)


def _readable(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Return a column's type in Parquet; not fixed-size lists, of which pyarrow before 26 cannot read nulls."""
    return pyarrow.list_(kind.value_field) if pyarrow.types.is_fixed_size_list(kind) else kind


class ArrowWriter:
    """Writes rows to an Arrow stream.

    Parameters
    ----------
    file : binary file
    about : mapping
        Goes into the schema's metadata.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        self._file, self._about = file, about
        self._writer: Any = None

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        if self._writer is None:
            self._schema = rows.schema.with_metadata(dict(self._about))
            self._writer = pyarrow.ipc.new_stream(self._file, self._schema)
        self._writer.write_batch(rows.replace_schema_metadata(dict(self._about)))

    def close(self) -> None:
        """Write the end of the stream."""
        if self._writer is not None:
            self._writer.close()
