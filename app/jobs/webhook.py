"""Signed notifications of the end of a job, repeated until accepted. Imports its neighbours, `settings` and `errors`.

The signature is the HMAC-SHA256 of the time, a full stop and the body, with the service's secret. A notification may
arrive twice; the body names the job and its phase.
"""

import hashlib
import hmac
import logging
import time

import orjson
from sqlalchemy import select, update

from app.errors import AddressRefusedError, FetchFailedError
from app.jobs.database import Database
from app.jobs.job import Job
from app.jobs.outside import Outside
from app.jobs.schema import JOBS
from app.jobs.store import job_of
from app.settings import Settings
from gaia_redshift.errors import RedshiftError

_log = logging.getLogger("gaia_redshift")

MOST_TRIES = 8
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 600.0
_AT_ONCE = 10
_TAKEN = range(200, 300)


class Webhooks:
    """Delivers notifications.

    Parameters
    ----------
    database : Database
    settings : Settings
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._settings = database, settings
        self._again_at: dict[int, float] = {}

    def deliver(self) -> int:
        """Send the notifications that are due; return how many were accepted. Failed ones are retried, ever later."""
        secret = self._settings.jobs_webhook_secret
        if secret is None:
            return 0
        try:
            due = self._due()
        except RedshiftError as error:
            _log.warning("webhooks wait: %s", error.message)
            return 0
        outside = Outside(self._settings, self._settings.jobs_webhook_hosts, "GAIA_REDSHIFT_JOBS_WEBHOOK_HOSTS")
        try:
            return sum(self._tell(job, outside, secret.get_secret_value()) for job in due)
        finally:
            outside.close()

    def _due(self) -> list[Job]:
        query = select(JOBS).where(JOBS.c.webhook_due).order_by(JOBS.c.number)
        with self._database.read() as connection:
            jobs = [job_of(row) for row in connection.execute(query)]
        now = time.monotonic()
        return [job for job in jobs if self._again_at.get(job.number, 0.0) <= now][:_AT_ONCE]

    def _tell(self, job: Job, outside: Outside, secret: str) -> bool:
        body = orjson.dumps({"job_id": job.id, "run_id": job.run_id, "phase": job.phase, "rows_done": job.rows_done})
        told, final = False, False
        try:
            status = outside.post(job.webhook or "", body, signed(body, secret))
            told = status in _TAKEN
            reason = f"it answers {status}"
        except FetchFailedError as error:
            reason = error.message
        except AddressRefusedError as error:
            reason, final = error.message, True
        tries = job.webhook_tries + 1
        if not told:
            _log.warning("the webhook of job %s, try %d: %s", job.id, tries, reason)
        over = told or final or tries >= MOST_TRIES
        self._again_at[job.number] = time.monotonic() + min(_LONGEST_WAIT, _FIRST_WAIT * 3 ** (tries - 1))
        with self._database.write() as connection:
            same = (JOBS.c.number == job.number) & (JOBS.c.webhook_tries == job.webhook_tries)
            connection.execute(update(JOBS).where(same).values(webhook_due=not over, webhook_tries=tries))
        return told


def signed(body: bytes, secret: str, at: int | None = None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a notification: content type, time and signature.

    Parameters
    ----------
    body : bytes
    secret : str
    at : int, optional
        Seconds since 1970; now if absent.
    """
    stamp = str(int(time.time()) if at is None else at).encode()
    digest = hmac.new(secret.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    return [
        (b"Content-Type", b"application/json"),
        (b"X-Gaia-Redshift-Timestamp", stamp),
        (b"X-Gaia-Redshift-Signature", b"sha256=" + digest.encode()),
    ]
