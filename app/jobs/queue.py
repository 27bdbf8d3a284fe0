"""The workers' side of jobs: take one, add its parts, end it. Imports its neighbours, `settings` and `errors`."""

import time
from typing import Any

import orjson
from sqlalchemy import Connection, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.jobs.database import Database
from app.jobs.holder import Watch, is_gone
from app.jobs.job import Job, Part, Phase
from app.jobs.schema import JOBS, PARTS
from app.jobs.store import job_of, parts_of
from app.settings import Settings
from gaia_redshift.errors import RedshiftError

_LOOK_AT = 20
"""Number of waiting jobs considered at a time, since other workers may take the first ones at the same moment."""


class LeaseLostError(Exception):
    """Another process has the job, or it was aborted or destroyed; this process must stop working on it."""


class Lease:
    """The exclusive right to work on a job, until it is lost to another process.

    Parameters
    ----------
    database : Database
    job : Job
        As it was taken.
    """

    def __init__(self, database: Database, job: Job) -> None:
        self._database, self.job = database, job

    def beat(self) -> None:
        """Show a sign of life; raises LeaseLostError."""
        self._change(beat=JOBS.c.beat + 1)

    def describe(self, **known: Any) -> None:
        """Record facts about the job's table or model; raises LeaseLostError."""
        self._change(changed=JOBS.c.changed + 1, **known)

    def refresh(self) -> None:
        """Read the job from the database again."""
        with self._database.read() as connection:
            row = connection.execute(select(JOBS).where(JOBS.c.number == self.job.number)).first()
        if row is None or (job := job_of(row)).token != self.job.token:
            raise LeaseLostError
        self.job = job

    def parts(self) -> list[Part]:
        """Return the parts that are done."""
        with self._database.read() as connection:
            return parts_of(connection, self.job.number)

    def add(self, part: Part, *, fraction: float, seconds: float) -> None:
        """Record a part whose files have been written; it is then done. Raises LeaseLostError."""
        try:
            self._add(part, fraction, seconds)
        except IntegrityError:  # it was recorded before, and the answer was lost
            if part not in self.parts():
                raise

    def _add(self, part: Part, fraction: float, seconds: float) -> None:
        with self._database.write() as connection:
            self._hold(
                connection,
                rows_done=JOBS.c.rows_done + part.rows,
                rows_failed=JOBS.c.rows_failed + part.failed,
                part_bytes=JOBS.c.part_bytes + part.bytes,
                fraction=fraction,
                spent=JOBS.c.spent + seconds,
                attempts=0,
                beat=JOBS.c.beat + 1,
                changed=JOBS.c.changed + 1,
            )
            values = {name: getattr(part, name) for name in ("number", "first_row", "rows", "failed", "token", "bytes")}
            connection.execute(insert(PARTS).values(job=self.job.number, **values))

    def complete(self, result: str, media_type: str, size: int) -> None:
        """Record the result; raises LeaseLostError."""
        known = {"result": result, "result_type": media_type, "result_bytes": size, "fraction": 1.0}
        self._end(Phase.COMPLETED, rows_total=JOBS.c.rows_done, **known)

    def fail(self, error: RedshiftError) -> None:
        """End the job with an error; raises LeaseLostError."""
        self._end(Phase.ERROR, error=orjson.dumps(error.body()).decode())

    def abort(self, error: RedshiftError) -> None:
        """Abort the job, with the reason; raises LeaseLostError."""
        self._end(Phase.ABORTED, error=orjson.dumps(error.body()).decode())

    def release(self) -> None:
        """Give up the lease, so that another worker continues after the parts done; raises LeaseLostError."""
        self._change(worker=None, attempts=0, changed=JOBS.c.changed + 1)

    def put_back(self) -> None:
        """Give up the lease after an error that the job may have caused, an attempt; raises LeaseLostError."""
        self._change(worker=None, changed=JOBS.c.changed + 1)

    def exists(self) -> bool:
        """Return whether the job still exists."""
        with self._database.read() as connection:
            return connection.execute(select(JOBS.c.id).where(JOBS.c.number == self.job.number)).first() is not None

    def _end(self, phase: Phase, **known: Any) -> None:
        due = JOBS.c.webhook.is_not(None)
        self._change(phase=phase, ended=time.time(), worker=None, webhook_due=due, changed=JOBS.c.changed + 1, **known)

    def _change(self, **values: Any) -> None:
        with self._database.write() as connection:
            self._hold(connection, **values)

    def _hold(self, connection: Connection, **values: Any) -> None:
        mine = and_(JOBS.c.number == self.job.number, JOBS.c.token == self.job.token, JOBS.c.phase == Phase.EXECUTING)
        if connection.execute(update(JOBS).where(mine).values(**values)).rowcount != 1:
            raise LeaseLostError


class Queue:
    """Waiting jobs, and jobs whose holder is gone.

    Parameters
    ----------
    database : Database
    settings : Settings
    me : str
        Name of this process.
    """

    def __init__(self, database: Database, settings: Settings, me: str) -> None:
        self._database, self._me = database, me
        self._watch = Watch(settings.jobs_lease_seconds)

    def take(self, without: frozenset[int] = frozenset()) -> Lease | None:
        """Take the job that has waited longest, or return None.

        Parameters
        ----------
        without : set of int
            Numbers of jobs to skip.
        """
        for job in self._free():
            if job.number not in without and (taken := self._take(job)) is not None:
                return Lease(self._database, taken)
        return None

    def _free(self) -> list[Job]:
        """Return jobs that no process works on, started ones first."""
        held = JOBS.c.phase == Phase.EXECUTING
        waiting = select(JOBS).where(JOBS.c.phase == Phase.QUEUED).order_by(JOBS.c.number).limit(_LOOK_AT)
        try:
            with self._database.read() as connection:
                begun = [job_of(row) for row in connection.execute(select(JOBS).where(held).order_by(JOBS.c.number))]
                queued = [job_of(row) for row in connection.execute(waiting)]
        except RedshiftError:
            self._watch.forget()
            raise
        silent = self._watch.look({job.number: (job.token, job.beat) for job in begun if job.worker})
        left = [job for job in begun if not job.worker or job.number in silent or is_gone(job.worker)]
        return [*left, *queued]

    def _take(self, job: Job) -> Job | None:
        """Take a job if it has not changed since it was read."""
        same = and_(
            JOBS.c.number == job.number,
            JOBS.c.token == job.token,
            JOBS.c.beat == job.beat,
            JOBS.c.phase == job.phase,
            JOBS.c.worker.is_(None) if job.worker is None else JOBS.c.worker == job.worker,
        )
        values = {
            "phase": Phase.EXECUTING,
            "worker": self._me,
            "token": JOBS.c.token + 1,
            "beat": 0,
            "attempts": JOBS.c.attempts + 1,
            "started": job.started or time.time(),
            "changed": JOBS.c.changed + 1,
        }
        with self._database.write() as connection:
            if connection.execute(update(JOBS).where(same).values(**values)).rowcount != 1:
                return None
            return job_of(connection.execute(select(JOBS).where(JOBS.c.number == job.number)).one())
