"""Writing JSON lines. Imports its neighbours."""

from collections.abc import Mapping
from typing import IO

import orjson
import pyarrow

from gaia_redshift.tables.writers.plain import plain, unique_names


class JsonWriter:
    """Writes one object per row; missing values and NaN are null.

    Parameters
    ----------
    file : binary file
    about : mapping
        Has no place in this format.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:  # noqa: ARG002
        self._file = file

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        made = plain(rows)
        named = pyarrow.RecordBatch.from_arrays(made.columns, unique_names(made.schema.names))
        self._file.write(b"".join(orjson.dumps(row) + b"\n" for row in named.to_pylist()))

    def close(self) -> None:
        """Do nothing: every row is written."""
