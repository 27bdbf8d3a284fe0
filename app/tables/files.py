"""Tables on disk, their format told by the extension. Imports its neighbours, `errors`, `redshift` and `spectra`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

from app.errors import InvalidInputError
from app.redshift import Predictions
from app.spectra import SpectrumBatch
from app.tables.csv import CsvWriter, read_csv

FORMATS = (".csv", ".parquet")


class Writer(Protocol):
    """Takes predictions as they come; `close` completes the file."""

    def write(self, predictions: Predictions) -> None:
        """Add rows."""
        ...

    def close(self) -> None:
        """Complete the file."""
        ...


def check_format(path: Path) -> None:
    """Raise InvalidInputError if the extension names no format that is read and written here."""
    if path.suffix.lower() not in FORMATS:
        raise InvalidInputError(f"{path.name}: tables are read and written as {' or '.join(FORMATS)}")


def reader(path: Path) -> Callable[[IO[bytes]], Iterator[SpectrumBatch]]:
    """Return what reads a file of this name."""
    check_format(path)
    if path.suffix.lower() == ".csv":
        return read_csv
    from app.tables.parquet import read_parquet  # loads Arrow, which a small CSV does without

    return read_parquet


def writer(path: Path, file: IO[bytes], about: Mapping[str, str]) -> Writer:
    """Return what writes to a file of this name; `about` goes where the format keeps such things."""
    check_format(path)
    if path.suffix.lower() == ".csv":
        return CsvWriter(file)
    from app.tables.parquet import ParquetWriter

    return ParquetWriter(file, about)
