"""Reading a job's table as batches of spectra, after the rows that are done. Imports its neighbours."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

import numpy as np
import orjson
from numpy.typing import NDArray

from app.errors import BodyTooLargeError
from app.jobs.files import INPUT, Files
from app.jobs.job import Job
from app.settings import Settings
from gaia_redshift.archive.batches import fetch_batch
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import Grid, SpectrumBatch
from gaia_redshift.tables.formats import FORMATS, QP, Format, check_densities, format_of_name, opened, settle
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import check_readable, read_errors, read_spectra, unit_of_columns
from gaia_redshift.tables.table import BLOCK_ROWS

PART_ROWS = 4096
"""Rows per part; repeating one after an interruption takes a second or two."""
_IDS_AT_ONCE = 1000
_ERRORS_UNTIL = 5 * BLOCK_ROWS
"""Flux errors are read only for rows before this one, since all earlier rows must be read too, 24 kB each."""


@dataclass(slots=True)
class Input:
    """An open table of spectra."""

    recognised: str
    rows: int | None
    """Number of rows, if the table says it."""
    written: Format
    """Format of the result."""
    batches: Iterator[SpectrumBatch]
    part_rows: int
    """Rows per part."""
    file: IO[bytes] | None = None
    bytes: int = 0
    corrected: bool = False
    """Whether its spectra are corrected for extinction."""

    def fraction(self, done: int) -> float:
        """Return the approximate fraction of the table that `done` rows are."""
        if self.rows:
            return min(1.0, done / self.rows)
        try:
            place = self.file.tell() if self.file is not None else 0
        except (OSError, ValueError):
            place = 0
        return min(1.0, place / self.bytes) if self.bytes else 0.0


@contextmanager
def open_input(job: Job, files: Files, predictor: Predictor, settings: Settings) -> Iterator[Input]:
    """Open the table of a job after the rows that are done.

    Raises
    ------
    RedshiftError
        If it cannot be read, has too many rows, or was made for another model.
    """
    with files.open(job.id, INPUT) as file:
        if job.source == "sources":
            yield _sources(job, file, predictor, settings)
            return
        asked, grid = job.asked_for, predictor.bundle.grid
        with opened(file, job.input_name, job.media_type) as table:
            found = recognise(table, grid)
            check_readable(found, grid, predictor.manifest.id)
            written = format_of_result(job, table.format.partition(" ")[0])
            check_densities(written, asked.pdf)
            _refuse_many(table.rows or 0, settings)
            settle(table, found, written)
            unit = unit_of_columns(table, found, asked.unit)
            batches = (batch.in_samples(unit) for batch in read_spectra(table, found, carry=True, errors=asked.snr))
            left = _behind(_bounded(batches, settings), job.rows_done)
            dusty = found.ebv is not None
            yield Input(found.sentence, table.rows, written, left, PART_ROWS, file, job.input_bytes, corrected=dusty)


def format_of_result(job: Job, own: str) -> Format:
    """Return the requested format, else the table's own, else CSV if that cannot be written."""
    asked = job.asked_for.format
    if asked == "qp":
        return QP
    if asked is None:
        found = FORMATS.get(own) or format_of_name(job.input_name)
        return found if found is not None and found.writes else FORMATS["csv"]
    return FORMATS[asked]


def _sources(job: Job, file: IO[bytes], predictor: Predictor, settings: Settings) -> Input:
    ids: list[int] = orjson.loads(file.read())
    sentence = f"{len(ids)} sources of {predictor.bundle.grid.release}, fetched from the archive"
    url = settings.archive_url or ""

    def batches() -> Iterator[SpectrumBatch]:
        for first in range(job.rows_done, len(ids), _IDS_AT_ONCE):
            yield fetch_batch(url, predictor.bundle.grid, ids[first : first + _IDS_AT_ONCE])

    return Input(sentence, len(ids), format_of_result(job, "csv"), batches(), _IDS_AT_ONCE)


def _refuse_many(rows: int, settings: Settings) -> None:
    if rows > settings.jobs_max_rows:
        raise BodyTooLargeError(f"the table has more than {settings.jobs_max_rows} rows: split it, or raise the limit")


def _bounded(batches: Iterator[SpectrumBatch], settings: Settings) -> Iterator[SpectrumBatch]:
    total = 0
    for batch in batches:
        total += len(batch)
        _refuse_many(total, settings)
        yield batch


def _behind(batches: Iterator[SpectrumBatch], rows: int) -> Iterator[SpectrumBatch]:
    """Skip this many rows and yield the rest; blocks may be divided differently than in the previous run."""
    for batch in batches:
        if rows >= len(batch):
            rows -= len(batch)
        else:
            yield batch.part(rows, len(batch)) if rows else batch
            rows = 0


def errors_of_row(job: Job, files: Files, grid: Grid, row: int) -> NDArray[np.float64] | None:
    """Return the errors of a row's fluxes, shape (samples,); None if the table has none, or the row is a late one.

    They are computed from the archive's errors and correlations of the coefficients, which are read from the first row.
    """
    if job.source == "sources" or row >= _ERRORS_UNTIL:
        return None
    with files.open(job.id, INPUT) as file, opened(file, job.input_name, job.media_type) as table:
        found = recognise(table, grid)
        if len(found.errors) < len(found.bands) or found.kind != "coefficients":
            return None
        return read_errors(table, found, row)
