"""Spectra from CSV, and the answer to it that ``POST /predict/csv`` gives. Imports its neighbours."""

from collections.abc import Iterator
from typing import IO

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.answers import to_arrow
from gaia_redshift.tables.foreign import BEGIN_BYTES, refuse_foreign
from gaia_redshift.tables.formats import format_of_content
from gaia_redshift.tables.readers.archive_text import ArchiveText
from gaia_redshift.tables.readers.csv import BLOCK_BYTES, CsvTable
from gaia_redshift.tables.readers.ecsv import open_ecsv
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from gaia_redshift.tables.unpack import PACKINGS
from gaia_redshift.tables.writers.csv import csv_text


def read_csv(file: IO[bytes], block_bytes: int = BLOCK_BYTES) -> Iterator[SpectrumBatch]:
    """Read spectra from CSV, in blocks of at most some thousand rows.

    Parameters
    ----------
    file : binary file that can seek
        UTF-8 text; see `recognise` for the columns, `read_head` for the lines that may come before the header.
    block_bytes : int
        Approximate size of the parts that are read.

    Yields
    ------
    SpectrumBatch
        Consecutive rows; a row that cannot be read has its reason in `problems`.

    Raises
    ------
    InvalidTableError
        If the file is empty, has no rows, or lacks columns.
    MalformedBodyError
        If it is not UTF-8 text, packed, or of another format.
    """
    table = open_csv(file, block_bytes)
    yield from read_spectra(table, recognise(table))


def open_csv(file: IO[bytes], block_bytes: int = BLOCK_BYTES) -> CsvTable | ArchiveText:
    """Open CSV or ECSV; the columns of ECSV have units.

    Parameters
    ----------
    file, block_bytes
        As for `read_csv`.

    Raises
    ------
    InvalidTableError, MalformedBodyError
        As `read_csv` does.
    """
    return open_ecsv(file, block_bytes) if _is_ecsv(file) else CsvTable(file, block_bytes)


def _is_ecsv(file: IO[bytes]) -> bool:
    """Return whether a file is ECSV; refuse compressed files and tables of other formats."""
    start = file.read(BEGIN_BYTES)
    file.seek(0)
    form = format_of_content(start)
    packing = next((name for mark, name in PACKINGS.items() if start.startswith(mark)), "")
    if packing or (form is not None and form.name != "ecsv"):
        what = packing or (form.title if form is not None else "")
        raise MalformedBodyError(f"the file is not CSV, it is {what}: send it to POST /predict/table")
    if form is None:
        refuse_foreign(start)
    return form is not None


def write_csv(predictions: Predictions, *, header: bool) -> str:
    """Write predictions as CSV text, one row per spectrum.

    Columns: ``source_id`` where the input had one, ``redshift`` and its interval ends, ``quality`` (flags joined by
    ``|``), ``status`` (``ok`` or ``error``), ``error`` (``code: message``), and ``pdf_0..`` where it was asked for. The
    text is safe to open in a spreadsheet (see `CsvWriter`).
    """
    return csv_text(to_arrow(predictions), header=header)
