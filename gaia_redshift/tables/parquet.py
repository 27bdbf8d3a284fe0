"""Parquet in and out, some thousand rows at a time. Imports `errors`, `redshift`, `spectra` and its neighbours.

For files of the user's own: a Parquet file can claim to hold gigabytes in a few bytes, so the service takes none.
"""

from collections.abc import Iterator, Mapping
from typing import IO

import pyarrow
from pyarrow import parquet

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.answers import to_arrow
from gaia_redshift.tables.arrow import choose_columns, read_batch

BLOCK_ROWS = 4096
_GROUP_ROWS = 1 << 17
_BUFFER_BYTES = 1 << 20
"""Pages are read through a buffer of this size: without it a whole column of a row group is, all rows perhaps."""


def read_parquet(file: IO[bytes], block_rows: int = BLOCK_ROWS) -> Iterator[SpectrumBatch]:
    """Read spectra from Parquet, in blocks.

    Parameters
    ----------
    file : binary file that can seek
        See `choose_columns` for the columns: lists, or one for each sample.
    block_rows : int
        How many rows are read and yielded at a time.

    Yields
    ------
    SpectrumBatch
        Consecutive rows; a row that cannot be read has its reason in `problems`.

    Raises
    ------
    InvalidTableError
        If the file has no rows, or lacks columns.
    MalformedBodyError
        If it is not a Parquet file.
    """
    try:
        with parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False) as table:
            columns = choose_columns(table.schema_arrow)
            if not table.metadata.num_rows:
                raise InvalidTableError("the table has no rows")
            for batch in table.iter_batches(block_rows, columns=columns, use_threads=False):
                yield read_batch(batch)
    except (pyarrow.ArrowException, OSError) as error:
        raise MalformedBodyError(f"the file is not Parquet: {str(error).splitlines()[0][:200]}") from error


class ParquetWriter:
    """Writes predictions to a Parquet file as they come, a row group for every hundred thousand.

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

    def write(self, predictions: Predictions) -> None:
        """Add rows."""
        self._batches.append(to_arrow(predictions, self._about))
        self._rows += len(predictions)
        if self._rows >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the file's end."""
        self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        if not self._batches:
            return
        table = pyarrow.Table.from_batches(self._batches)
        if self._writer is None:
            self._writer = parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._batches, self._rows = [], 0
