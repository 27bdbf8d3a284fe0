"""Tables on disk, their format told by the extension. Imports its neighbours, `errors`, `redshift` and `spectra`."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Protocol

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.csv import CsvWriter, read_csv

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
    from gaia_redshift.tables.parquet import read_parquet  # loads Arrow, which a small CSV does without

    return read_parquet


def writer(path: Path, file: IO[bytes], about: Mapping[str, str]) -> Writer:
    """Return what writes to a file of this name; `about` goes where the format keeps such things."""
    check_format(path)
    if path.suffix.lower() == ".csv":
        return CsvWriter(file)
    from gaia_redshift.tables.parquet import ParquetWriter

    return ParquetWriter(file, about)


def read(path: str | Path) -> SpectrumBatch:
    """Read all spectra of a file.

    Parameters
    ----------
    path : str or Path
        ``.csv`` or ``.parquet``; see `find_layout` for the columns.

    Raises
    ------
    InvalidInputError
        If the name tells of no format that is read.
    InvalidTableError, MalformedBodyError
        If the file holds no table of spectra.
    """
    with Path(path).open("rb") as file:
        return SpectrumBatch.join(list(reader(Path(path))(file)))
