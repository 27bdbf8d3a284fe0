"""One writer per format, each from record batches to a file."""

from typing import Protocol

import pyarrow


class Writer(Protocol):
    """Writes rows of one schema, batch by batch; `close` completes the file."""

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...
