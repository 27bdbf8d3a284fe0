"""Destroying expired jobs, and files without a job. Imports its neighbours."""

import logging
import time

from sqlalchemy import delete, select

from app.jobs.database import Database
from app.jobs.files import Files
from app.jobs.schema import JOBS

_log = logging.getLogger("gaia_redshift")

_SWEEP_SECONDS = 30.0
_ORPHAN_SECONDS = 3600.0
"""Seconds after which files without a job are removed; an upload has no job until it is complete."""


class Retention:
    """Removes expired jobs and orphaned files from time to time.

    Parameters
    ----------
    database : Database
    files : Files
    """

    def __init__(self, database: Database, files: Files) -> None:
        self._database, self._files = database, files
        self._swept: float | None = None
        self._orphans: dict[str, float] = {}

    def sweep(self) -> None:
        """Destroy expired jobs and orphaned files, unless this was done recently; an error of the store is logged."""
        now = time.monotonic()
        if self._swept is not None and now - self._swept < _SWEEP_SECONDS:
            return
        self.destroy_due()
        self._swept = now
        try:
            self.remove_orphans(now)
        except OSError as error:
            _log.warning("files without a job are not looked for: %s", error)

    def destroy_due(self) -> list[str]:
        """Destroy expired jobs and return their identifiers; one transaction each, so that others can write between."""
        due = select(JOBS.c.id).where(JOBS.c.destruction <= time.time())
        with self._database.read() as connection:
            found = [row[0] for row in connection.execute(due)]
        for job in found:
            with self._database.write() as connection:
                connection.execute(delete(JOBS).where(JOBS.c.id == job))
            self._files.remove(job)
        return found

    def remove_orphans(self, now: float) -> None:
        """Remove files that have had no job for an hour; `now` is on the monotonic clock."""
        there = self._files.jobs()
        with self._database.read() as connection:
            known = {row[0] for row in connection.execute(select(JOBS.c.id))}
        since = {job: self._orphans.get(job, now) for job in there - known}
        for job, first in since.items():
            if now - first >= _ORPHAN_SECONDS:
                self._files.remove(job)
        self._orphans = since
