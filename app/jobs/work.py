"""Carrying out one job, part by part. Imports its neighbours and the library's `Predictor`."""

import io
import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow

from app.errors import JobFailedError
from app.jobs.files import INPUT, Files
from app.jobs.job import Part
from app.jobs.patience import patiently
from app.jobs.queue import Lease
from app.jobs.table import Input, open_input
from app.settings import Settings
from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.ahead import read_ahead
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import Format

_LEAST_ROWS = 256


class Work:
    """The work on one job under one lease.

    Parameters
    ----------
    lease : Lease
    files : Files
    predictor : Predictor
    settings : Settings
    step : callable
        Called at every bit of progress; a worker without calls counts as hung.
    ending : callable
        Returns whether the process is to end; the rest of the job is then left to the next worker.
    """

    def __init__(
        self,
        lease: Lease,
        files: Files,
        predictor: Predictor,
        settings: Settings,
        *,
        step: Callable[[], None] = lambda: None,
        ending: Callable[[], bool] = lambda: False,
    ) -> None:
        self._lease, self._files, self._predictor, self._settings = lease, files, predictor, settings
        self._step, self._ending = step, ending
        self._job = lease.job
        self._asked = lease.job.asked_for
        self._about = predictor.about(self._asked.asked)
        self._mark = time.monotonic()
        self._spent = lease.job.spent
        self._next_row = lease.job.rows_done

    def carry_out(self) -> bool:
        """Do the rest of the job and record its end; return False if it was left to the next worker.

        Raises
        ------
        LeaseLostError
            If another process has the job, or it was aborted or destroyed.
        RedshiftError
            If its table cannot be read.
        OSError
            If the disk is full, or a store fails.
        """
        job = self._job
        parts = patiently(self._lease.parts)
        kept = {name for part in parts for name in (part.table, part.flux)}
        self._files.remove_all_but(job.id, {INPUT, *kept})
        self._predictor.check(self._asked.asked)
        with open_input(job, self._files, self._predictor, self._settings) as table:
            patiently(
                lambda: self._lease.describe(
                    recognised=table.recognised, rows_total=table.rows, model_sha256=self._predictor.bundle.sha256
                )
            )
            self._about = self._predictor.about(self._asked.asked, corrected=table.corrected)
            self._step()
            number = len(parts)
            # After crashes use smaller parts, so that some progress is saved before the next crash.
            rows = max(_LEAST_ROWS, table.part_rows >> (job.attempts - 1))
            for batches in _grouped(_cut(read_ahead(table.batches), rows), rows):
                parts.append(self._do(table, number, batches))
                number += 1
                self._step()
                if self._ending():
                    patiently(self._lease.release)
                    return False
                if self._too_long():
                    return True
        self._finish(table.written, parts)
        return True

    def _do(self, source: Input, number: int, batches: list[SpectrumBatch]) -> Part:
        """Predict, write and record a part."""
        tables: list[pyarrow.RecordBatch] = []
        failed = 0
        first = self._next_row
        for batch in batches:
            predictions = self._predictor.predict(batch, self._asked.asked)
            if predictions.problems and self._asked.rows == "strict":
                row = min(predictions.problems)
                problem = predictions.problems[row]
                at = first + sum(len(table) for table in tables) + row
                raise InvalidTableError(
                    f"row {at} has no redshift, which rows=strict does not allow: {problem.message}",
                    [Detail(f"rows[{at}]", f"{problem.code}: {problem.message}")],
                )
            failed += len(predictions.problems)
            tables.append(beside(batch.carried, predictions, self._about))
        rows = sum(len(table) for table in tables)
        part = Part(number, first, rows, failed, self._job.token, 0)
        written = {part.table: _arrow(tables), part.flux: _npy(SpectrumBatch.join(batches))}
        for name, content in written.items():
            self._files.put(self._job.id, name, content)
        part = Part(number, first, rows, failed, self._job.token, sum(map(len, written.values())))
        self._next_row = first + rows
        fraction, seconds = source.fraction(self._next_row), self._lap()
        patiently(lambda: self._lease.add(part, fraction=fraction, seconds=seconds))
        return part

    def _lap(self) -> float:
        now = time.monotonic()
        seconds, self._mark = now - self._mark, now
        self._spent += seconds
        return seconds

    def _too_long(self) -> bool:
        """Abort the job if it has taken more time than allowed; return whether it has."""
        most = self._job.duration
        if not most or self._spent <= most:
            return False
        error = JobFailedError(
            f"the job took more than the {most} s of work allowed: ask for a longer executionduration"
        )
        patiently(lambda: self._lease.abort(error))
        return True

    def _finish(self, written: Format, parts: list[Part]) -> None:
        """Write the result from all parts, and record it."""
        job = self._job
        name = f"result-{job.token}{written.extensions[0]}"
        scratch = self._files.scratch / f"{job.id}-{job.token}"
        try:
            with scratch.open("wb+") as file:
                writer = written.writer(file, self._about)
                for part in parts:
                    for rows in read_part(self._files, job.id, part):
                        writer.write(rows)
                    self._step()
                writer.close()
            size = self._files.take_in(scratch, job.id, name)
        finally:
            scratch.unlink(missing_ok=True)
        patiently(lambda: self._lease.complete(name, written.media_types[0], size))


def read_part(files: Files, job: str, part: Part) -> Iterator[pyarrow.RecordBatch]:
    """Yield the rows of a part."""
    with files.open(job, part.table) as file, pyarrow.ipc.open_file(file) as stored:
        for number in range(stored.num_record_batches):
            yield stored.get_batch(number)


def _arrow(tables: list[pyarrow.RecordBatch]) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_file(sink, tables[0].schema) as stored:
        for rows in tables:
            stored.write_batch(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _npy(batch: SpectrumBatch) -> bytes:
    """Return the fluxes as an array file, and behind it, if there are any, the E(B-V) as another."""
    file = io.BytesIO()
    np.save(file, batch.usable_flux(), allow_pickle=False)
    if batch.ebv is not None:
        np.save(file, batch.ebv, allow_pickle=False)
    return file.getvalue()


def _cut(batches: Iterator[SpectrumBatch], rows: int) -> Iterator[SpectrumBatch]:
    """Yield batches of at most `rows` rows."""
    for batch in batches:
        for start in range(0, len(batch), rows):
            yield batch if len(batch) <= rows else batch.part(start, min(len(batch), start + rows))


def _grouped(batches: Iterator[SpectrumBatch], rows: int) -> Iterator[list[SpectrumBatch]]:
    """Yield lists of batches with at least `rows` rows together."""
    together: list[SpectrumBatch] = []
    for batch in batches:
        together.append(batch)
        if sum(map(len, together)) >= rows:
            yield together
            together = []
    if together:
        yield together
