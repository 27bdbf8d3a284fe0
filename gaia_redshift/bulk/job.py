"""Running one job, on any machine. Imports its neighbours.

Nothing is raised: an error is recorded as the job's failure, so that engines do not handle it as their own.
"""

import os
import time
import uuid
from collections.abc import Mapping
from typing import IO, Any, Protocol

import orjson

from gaia_redshift.bulk import storage
from gaia_redshift.bulk.outcome import NOTE, Failure, Outcome
from gaia_redshift.bulk.plan import Job
from gaia_redshift.errors import InvalidInputError, RedshiftError


class Task(Protocol):
    """The operation on each file; it is pickled and sent to the workers."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that an output depends on, besides its input; serialisable as JSON."""
        ...

    def run(self, source: IO[bytes], name: str, target: IO[bytes], note: "Note") -> Outcome:
        """Turn one file into another.

        Parameters
        ----------
        source : binary file that can seek
        name : str
            The input's.
        target : binary file
        note : Note
            Says what goes into the output's metadata, once the input was read to its end.
        """
        ...


class Note:
    """The note in an output on how it was made; it does not depend on the run or the machine."""

    def __init__(self, job: Job, settings: Mapping[str, Any]) -> None:
        self._made_from = {"input": job.source.name, "size": job.source.size, "tag": job.source.tag}
        self._settings = settings

    def metadata(self, outcome: Outcome) -> dict[str, str]:
        """Return the entry of a Parquet file's metadata."""
        said = {**self._made_from, "settings": self._settings, **outcome.note()}
        return {NOTE.decode(): orjson.dumps(said, option=orjson.OPT_SORT_KEYS).decode()}


def do(task: Task, job: Job) -> Outcome:
    """Do a job.

    Parameters
    ----------
    task : Task
    job : Job

    Returns
    -------
    Outcome
        With a failure where there is no output.
    """
    started = time.process_time()
    try:
        outcome = _done(task, job)
    except RedshiftError as error:
        details = "".join(f"; {detail.at}: {detail.message}" for detail in error.details[:3])
        outcome = Outcome(failure=Failure(error.code, f"{error.message}{details}"))
    except OSError as error:
        outcome = Outcome(failure=Failure("storage_refused", storage.reason(error)))
    except MemoryError:
        outcome = Outcome(failure=Failure("out_of_memory", "the process had no memory left"))
    except Exception as error:  # a bug affects one file only, and is reported
        outcome = Outcome(failure=Failure("internal_error", f"{type(error).__name__}: {str(error)[:300]}"))
    outcome.seconds = time.process_time() - started
    return outcome


def _done(task: Task, job: Job) -> Outcome:
    token = f"{os.getpid()}-{uuid.uuid4().hex[:12]}"
    with storage.reading(job.source.place) as source, storage.writing(job.output, token) as target:
        outcome = task.run(source, job.source.name, target, Note(job, task.settings))
        now = storage.look(job.source.place)
        if now is None or (now.size, now.tag) != (job.source.size, job.source.tag):
            raise InvalidInputError(f"{job.source.name} changed while it was read: start again when it is complete")
    return outcome
