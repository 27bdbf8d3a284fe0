"""The requests' side of jobs. Imports its neighbours, `settings` and `errors`.

An owner sees only their own jobs: those of others are treated as if they did not exist.
"""

import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, insert, select, update

from app.errors import QuotaExceededError, UnknownJobError, WrongPhaseError
from app.jobs.database import Database
from app.jobs.job import ACTIVE, COLUMNS, Job, Parameters, Part, Phase, Source
from app.jobs.schema import JOBS, PARTS
from app.settings import Settings

_MOST_LISTED = 10_000


def new_id() -> str:
    """Return an identifier that cannot be guessed."""
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to be created."""

    id: str
    owner: str
    parameters: Parameters
    source: Source
    input_name: str = ""
    media_type: str = ""
    input_bytes: int = 0
    address: str | None = None
    run_id: str | None = None
    duration: int | None = None
    destruction: float | None = None
    webhook: str | None = None
    run: bool = False


def job_of(row: Row[Any]) -> Job:
    """Return the job of a database row."""
    values: dict[str, Any] = {name: row._mapping[name] for name in COLUMNS}
    return Job(**{**values, "phase": Phase(values["phase"])})


class Store:
    """Jobs, for requests. The methods block on the database: call them in a thread.

    Parameters
    ----------
    database : Database
    settings : Settings
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings

    def check_quota(self, owner: str, coming: int) -> None:
        """Check the quotas before a table is received; raises QuotaExceededError."""
        with self._database.read() as connection:
            self._check_quota(connection, owner, coming)

    def _check_quota(self, connection: Connection, owner: str, coming: int) -> None:
        active = select(func.count()).where(JOBS.c.owner == owner, JOBS.c.phase.in_(ACTIVE))
        most = self._settings.jobs_per_owner
        if connection.execute(active).scalar_one() >= most:
            raise QuotaExceededError(
                f"you have {most} unfinished jobs, the most allowed: wait for one to end, or destroy some"
            )
        if self._bytes(connection) + coming > self._settings.jobs_max_bytes:
            raise QuotaExceededError(
                f"the jobs' files take all of the {self._settings.jobs_max_bytes} bytes allowed: destroy jobs that you "
                "no longer need, or wait until older ones expire"
            )

    @staticmethod
    def _bytes(connection: Connection) -> int:
        sizes = func.sum(JOBS.c.input_bytes + JOBS.c.part_bytes + JOBS.c.result_bytes)
        return int(connection.execute(select(sizes)).scalar() or 0)

    def add(self, new: NewJob) -> Job:
        """Store a job; from here on it is not lost."""
        now = time.time()
        latest = now + self._settings.jobs_keep_seconds
        row = {
            "id": new.id,
            "owner": new.owner,
            "run_id": new.run_id,
            "phase": Phase.QUEUED if new.run else Phase.PENDING,
            "changed": 0,
            "created": now,
            "destruction": min(new.destruction or latest, latest),
            "duration": self._allowed(new.duration),
            "spent": 0.0,
            "parameters": new.parameters.model_dump_json(),
            "source": new.source,
            "address": new.address,
            "input_name": new.input_name,
            "media_type": new.media_type,
            "input_bytes": new.input_bytes,
            "obtained": new.source in {"upload", "sources"},
            "rows_done": 0,
            "rows_failed": 0,
            "fraction": 0.0,
            "part_bytes": 0,
            "result_bytes": 0,
            "token": 0,
            "beat": 0,
            "attempts": 0,
            "webhook": new.webhook,
            "webhook_due": False,
            "webhook_tries": 0,
        }
        with self._database.write() as connection:
            self._check_quota(connection, new.owner, new.input_bytes)
            connection.execute(insert(JOBS).values(row))
            return self._one(connection, new.owner, new.id)

    def _allowed(self, seconds: int | None) -> int:
        most = self._settings.jobs_max_seconds
        return min(seconds, most) if seconds else most

    def get(self, owner: str, id: str) -> Job:  # noqa: A002 - what it is
        """Return a job; raises UnknownJobError."""
        with self._database.read() as connection:
            return self._one(connection, owner, id)

    @staticmethod
    def _one(connection: Connection, owner: str, id: str) -> Job:  # noqa: A002 - what it is
        row = None
        if id.isascii() and id.isalnum():
            row = connection.execute(select(JOBS).where(JOBS.c.id == id, JOBS.c.owner == owner)).first()
        if row is None:
            raise UnknownJobError(f"there is no job {id[:40]!r}: it was destroyed, or is not yours")
        return job_of(row)

    def find(
        self, owner: str, *, phases: Collection[Phase] = (), after: float | None = None, last: int | None = None
    ) -> list[Job]:
        """Return an owner's jobs in order of creation: in some phases, created after a time, or the last ones."""
        query: Select[Any] = select(JOBS).where(JOBS.c.owner == owner)
        if phases:
            query = query.where(JOBS.c.phase.in_(phases))
        if after is not None:
            query = query.where(JOBS.c.created > after)
        query = query.order_by(JOBS.c.number.desc()).limit(_MOST_LISTED if last is None else min(last, _MOST_LISTED))
        with self._database.read() as connection:
            return [job_of(row) for row in connection.execute(query)][::-1]

    def run(self, owner: str, id: str) -> Job:  # noqa: A002 - what it is
        """Queue a job; raises WrongPhaseError if it has been started or is over."""
        return self._change(owner, id, {Phase.PENDING}, "run", phase=Phase.QUEUED)

    def abort(self, owner: str, id: str) -> Job:  # noqa: A002 - what it is
        """Abort a job; raises WrongPhaseError if it is over."""
        return self._change(
            owner,
            id,
            ACTIVE,
            "aborted",
            phase=Phase.ABORTED,
            ended=time.time(),
            webhook_due=JOBS.c.webhook.is_not(None),
        )

    def set_destruction(self, owner: str, id: str, at: float) -> Job:  # noqa: A002 - what it is
        """Set when a job is destroyed, within the limit of the settings."""
        latest = time.time() + self._settings.jobs_keep_seconds
        return self._change(owner, id, set(Phase), "changed", destruction=min(at, latest))

    def set_duration(self, owner: str, id: str, seconds: int) -> Job:  # noqa: A002 - what it is
        """Set how long a job may take, within the limit of the settings."""
        return self._change(owner, id, ACTIVE, "changed", duration=self._allowed(seconds))

    def set_parameters(self, owner: str, id: str, parameters: Parameters) -> Job:  # noqa: A002 - what it is
        """Change the parameters of a job; raises WrongPhaseError if it has been run."""
        return self._change(owner, id, {Phase.PENDING}, "changed", parameters=parameters.model_dump_json())

    def _change(self, owner: str, id: str, phases: Collection[Phase], verb: str, **values: Any) -> Job:  # noqa: A002
        with self._database.write() as connection:
            job = self._one(connection, owner, id)
            if job.phase not in phases:
                raise WrongPhaseError(f"job {id} is {job.phase} and cannot be {verb}: {_FROM_HERE[job.over]}")
            change = update(JOBS).where(JOBS.c.number == job.number)
            connection.execute(change.values(changed=JOBS.c.changed + 1, **values))
            return self._one(connection, owner, id)

    def destroy(self, owner: str, id: str) -> None:  # noqa: A002 - what it is
        """Delete a job in any phase; the caller must remove its files."""
        with self._database.write() as connection:
            job = self._one(connection, owner, id)
            connection.execute(delete(JOBS).where(JOBS.c.number == job.number))

    def parts(self, job: Job) -> list[Part]:
        """Return the finished parts of a job, in order."""
        with self._database.read() as connection:
            return parts_of(connection, job.number)

    def counts(self) -> tuple[dict[Phase, int], int]:
        """Return the number of jobs in each phase, and the total bytes of all files."""
        with self._database.read() as connection:
            rows = connection.execute(select(JOBS.c.phase, func.count()).group_by(JOBS.c.phase)).all()
            found = {Phase(phase): count for phase, count in rows}
            return {phase: found.get(phase, 0) for phase in Phase}, self._bytes(connection)


_FROM_HERE = {True: "it is over", False: "it has already been run"}


def parts_of(connection: Connection, number: int) -> list[Part]:
    """Return the parts of a job, in order."""
    columns = [PARTS.c[name] for name in ("number", "first_row", "rows", "failed", "token", "bytes")]
    rows = connection.execute(select(*columns).where(PARTS.c.job == number).order_by(PARTS.c.number))
    return [Part(*row) for row in rows]
