"""The exchanges between client and service about jobs, without a network: generators as in `conversation`."""

import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import numpy as np
import orjson

from gaia_redshift.client.conversation import Request, Talk
from gaia_redshift.client.encoding import as_arrow
from gaia_redshift.client.failures import JobError, ServiceError, checked, not_understood
from gaia_redshift.client.job_messages import JobList, JobReply
from gaia_redshift.client.predictions import Predictions, from_arrow
from gaia_redshift.client.questions import ask, read_options
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.media import ARROW, JSON
from gaia_redshift.spectra import Identifier, Problem, SpectrumBatch

if TYPE_CHECKING:
    from gaia_redshift.tables.formats import Format

OVER = frozenset({"COMPLETED", "ERROR", "ABORTED"})
"""Final phases of a job."""

LONG_WAIT, SHORT_WAIT = 45, 1
"""Seconds of a long poll for a job; the shorter one is for a progress bar."""
_GRACE = 30.0
"""Seconds by which the answer to a long poll may be late."""

_CHECKED_HERE = ("model", "prior", "pdf", "unit", "rows")
_COLUMNS = {"Array", "ChunkedArray", "Column", "Int64Array", "MaskedColumn", "Series", "UInt64Array"}


@dataclass(frozen=True, slots=True)
class Given:
    """A table that was sent from memory; the result is a table of the same kind."""

    table: object
    rows: int
    problems: Mapping[int, Problem]
    """Rows that could not be read here."""


def submit(given: object, options: Mapping[str, Any]) -> Talk[tuple[JobReply, Given | None]]:
    """Create a job and start it.

    Parameters
    ----------
    given : table, array, path, binary file, address or source identifiers
    options : mapping
        As for ``POST /jobs``; those of the prediction are checked before anything is sent.
    """
    ids = _source_ids(given)
    file: Any = given if hasattr(given, "read") and not hasattr(given, "columns") else None
    if isinstance(given, str | Path) or ids is not None or file is not None:
        asked = {name: value for name, value in options.items() if name in _CHECKED_HERE}
        others = {name: value for name, value in options.items() if name not in asked}
        sent = {**others, **read_options(**{"prior": "survey", **asked})}
        if ids is not None:
            return _read_job((yield _told({"source_ids": ids}, sent))), None
        if isinstance(given, str) and given.startswith(("http://", "https://")):
            return _read_job((yield _told({"url": given}, sent))), None
        if file is not None:
            return _read_job((yield _upload("table", file if file.seekable() else _Pipe(file), "", sent))), None
        with Path(given).open("rb") as opened:  # type: ignore[arg-type]
            return _read_job((yield _upload(Path(given).name, opened, "", sent))), None  # type: ignore[arg-type]
    defaults = {"model": None, "prior": "survey", "pdf": False, "unit": None, "ebv": None, "rows": "lenient"}
    defaults["source_id"] = None
    known = {name: options.get(name, default) for name, default in defaults.items()}
    question = ask(given, None, None, known.pop("source_id"), **known)
    others = {name: value for name, value in options.items() if name not in defaults}
    content = as_arrow(question.spectra, _in_one_type(question.source_id))
    reply = yield _upload("table.arrow", io.BytesIO(content), ARROW, {**others, **question.options})
    return _read_job(reply), Given(given, len(question.spectra), question.problems)


class _Pipe:
    """What comes from a pipe: httpx sends it in pieces, and does not take the length of the pipe for the table's."""

    def __init__(self, file: Any) -> None:
        self.read = file.read


def _source_ids(given: object) -> list[int] | None:
    """Return a one-dimensional sequence of integers as source ids; None for anything else."""
    if isinstance(given, set | frozenset | range):
        given = sorted(given)
    if not isinstance(given, list | tuple | np.ndarray) and type(given).__name__ not in _COLUMNS:
        return None
    try:
        values = np.asarray(given)
    except ValueError:  # rows of different lengths
        return None
    found: list[int] | None = values.tolist() if values.ndim == 1 and values.dtype.kind in "iu" else None
    return found


def _in_one_type(names: Any) -> list[Identifier] | None:
    if names is None or len({type(name) for name in names if name is not None}) <= 1:
        return None if names is None else list(names)
    return [None if name is None else str(name) for name in names]


def _request(method: str, job_id: str | None = None, under: str = "") -> Request:
    place = "" if job_id is None else f"/{quote(job_id, safe='')}{under}"
    return {"method": method, "url": f"/jobs{place}", "headers": {"Accept": JSON}}


def _query(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the options that fit into a query, and those that do not."""
    flat = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in options.items()
        if value is not None and not isinstance(value, dict)
    }
    return {**flat, "PHASE": "RUN"}, {name: value for name, value in options.items() if isinstance(value, dict)}


def _told(table: dict[str, Any], options: Mapping[str, Any]) -> Request:
    params, body = _query(options)
    return {**_request("POST"), "params": params, "json": {**table, **body}}


def _upload(name: str, file: Any, kind: str, options: Mapping[str, Any]) -> Request:
    params, body = _query(options)
    form = {name: orjson.dumps(value).decode() for name, value in body.items()}
    part = (name, file, kind) if kind else (name, file)
    return {**_request("POST"), "params": params, "data": form, "files": {"file": part}}


def look(job_id: str, wait: int | None = None) -> Talk[JobReply]:
    """Fetch a job, at once, or when its phase has changed or after `wait` seconds."""
    request = _request("GET", job_id)
    if wait is not None:
        request |= {"params": {"WAIT": wait}, "timeout": wait + _GRACE}
    return _read_job((yield request))


def tell(job_id: str, phase: str) -> Talk[JobReply]:
    """Set a job's phase to ``RUN`` or ``ABORT``."""
    return _read_job((yield {**_request("POST", job_id, "/phase"), "data": {"PHASE": phase}}))


def destroy(job_id: str) -> Talk[None]:
    """Delete a job and its files."""
    checked((yield _request("DELETE", job_id)))


def find(phases: tuple[str, ...], last: int | None) -> Talk[list[JobReply]]:
    """Fetch all jobs, or those in some phases, or the most recent ones."""
    params = [("PHASE", phase) for phase in phases] + ([] if last is None else [("LAST", str(last))])
    reply = checked((yield {**_request("GET"), "params": params}))
    try:
        return JobList.model_validate_json(reply.content, extra="ignore").jobs
    except ValueError:
        raise not_understood(reply) from None


def _read_job(reply: httpx.Response) -> JobReply:
    try:
        return JobReply.model_validate_json(checked(reply).content, extra="ignore")
    except ValueError:
        raise not_understood(reply) from None


def fetch(job: JobReply, wanted: "Format") -> Talk[bytes]:
    """Fetch the result of a job in a format: the stored file, or the rows in another format.

    Raises
    ------
    JobError
        If the job has no result.
    """
    refuse_failed(job)
    result = job.results[0] if job.results else None
    same_kind = (wanted.name == "qp") == (job.parameters.get("format") == "qp")  # both are FITS
    if result is not None and result.mime_type == wanted.media_types[0] and same_kind:
        request = _request("GET", job.job_id, f"/results/{result.id}")
    else:
        request = {**_request("GET", job.job_id, "/table"), "params": {"format": wanted.name}}
    content: bytes = checked((yield {**request, "headers": {}})).content
    return content


def format_of(path: str | Path | None) -> "Format":
    """Return the format for a file name, Arrow for None; raises ValueError for an unknown extension."""
    from gaia_redshift.tables.formats import FORMATS, format_to_write

    if path is None:
        return FORMATS["arrow"]
    try:
        return format_to_write(Path(path).name)
    except InvalidInputError as error:
        raise ValueError(error.message) from None


def refuse_failed(job: JobReply) -> None:
    """Raise JobError for a job that has no result."""
    if job.phase == "COMPLETED":
        return
    if job.error is not None:
        details = [{"at": detail.at, "message": detail.message} for detail in job.error.details]
        raise JobError(job.job_id, job.phase, job.error.code, job.error.message, details)
    what = "was aborted" if job.phase == "ABORTED" else f"is {job.phase}: wait for it"
    raise JobError(job.job_id, job.phase, "wrong_phase", f"job {job.job_id} {what}", [])


def in_memory(content: bytes, given: Given | None) -> Any:
    """Return a result received as Arrow, as the kind of table that was sent; else as a pyarrow Table."""
    if given is None:
        import pyarrow

        with pyarrow.ipc.open_stream(content) as stream:
            return stream.read_all()
    from gaia_redshift.tables.added import add_columns

    answers = Predictions([from_arrow(content)], problems=given.problems).to_arrow()
    if len(answers) != given.rows:
        raise ServiceError(200, "http_error", "the service answered with a different number of rows than were sent", [])
    if isinstance(given.table, SpectrumBatch):
        return answers
    return add_columns(given.table, answers.select([name for name in answers.column_names if name != "source_id"]))


def save(content: bytes, path: Path) -> Path:
    """Write a temporary file and rename it, so that a failure never leaves half a table."""
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content)
        return part.replace(path)
    finally:
        part.unlink(missing_ok=True)


class Patience:
    """How long to wait for a service that cannot be reached, so that a restart of it does no harm."""

    _LONGEST = 600.0
    _TRANSIENT = frozenset({429, 502, 503, 504})

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._pause = 0.1

    def after(self, error: ServiceError) -> float:
        """Return the seconds until the next attempt; raises the error if another attempt would not help."""
        away = error.code == "unreachable" or error.status in self._TRANSIENT
        if not away or time.monotonic() - self._began > self._LONGEST:
            raise error
        self._pause = min(10.0, 1.6 * self._pause)
        return self._pause


@contextmanager
def progress_bar(wanted: bool) -> Iterator[Callable[[JobReply], None] | None]:
    """Yield a function that shows a job's progress on standard error; None where that is not a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("job", total=1.0)

        def show(job: JobReply) -> None:
            said = f"{job.phase.lower()}, {job.progress.rows_done} rows"
            bar.update(task, completed=job.progress.fraction, description=said)

        yield show
