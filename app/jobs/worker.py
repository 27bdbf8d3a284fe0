"""A process that carries out jobs, one after the other. Imports its neighbours, the library, and `serving.logs`."""

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from app.errors import NO_ROOM, JobFailedError
from app.jobs.database import Database
from app.jobs.files import Files
from app.jobs.holder import this_process
from app.jobs.job import Job
from app.jobs.models import Predictors
from app.jobs.obtain import obtain
from app.jobs.patience import patiently
from app.jobs.queue import Lease, LeaseLostError, Queue
from app.jobs.retention import Retention
from app.jobs.webhook import Webhooks
from app.jobs.work import Work
from app.serving import logs
from app.settings import Settings
from gaia_redshift.errors import RedshiftError

_log = logging.getLogger("gaia_redshift")

_LOOK_SECONDS = 0.5
"""Seconds between two searches for a job."""
_FULL_SECONDS = 15.0
"""A job is left alone so long after the store of its files was full or away."""
HUNG = 70
"""Exit code of a worker that hangs (EX_SOFTWARE)."""


class Worker:
    """Takes jobs and carries them out.

    Parameters
    ----------
    settings : Settings
    pulse : callable, optional
        Called about once a second as a sign of life.
    """

    def __init__(self, settings: Settings, pulse: Callable[[], None] = lambda: None) -> None:
        self._settings, self._pulse = settings, pulse
        self._database = Database(settings)
        self._files = Files(settings)
        self._queue = Queue(self._database, settings, this_process())
        self._predictors = Predictors(settings)
        self._retention = Retention(self._database, self._files)
        self._webhooks = Webhooks(self._database, settings)
        self._ending = threading.Event()
        self._over = threading.Event()
        self._full: dict[int, float] = {}
        self._lease: Lease | None = None
        self._lost = threading.Event()
        self._stepped = time.monotonic()

    def end(self) -> None:
        """Stop after the current part."""
        self._ending.set()

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def run(self) -> None:
        """Work until `end` is called."""
        threading.Thread(target=self._live, name="pulse", daemon=True).start()
        threading.Thread(target=self._beat, name="beats", daemon=True).start()
        try:
            patiently(self._database.prepare, self._ending.is_set)
            while not self._ending.is_set():
                self._step()
                if not patiently(self.work_once, self._ending.is_set):
                    patiently(self._retention.sweep, self._ending.is_set)
                    self._webhooks.deliver()
                    self._ending.wait(_LOOK_SECONDS)
        finally:
            self._over.set()

    def work_once(self) -> bool:
        """Take a job and carry it out; return False if there is none."""
        now = time.monotonic()
        self._full = {number: until for number, until in self._full.items() if until > now}
        lease = self._queue.take(frozenset(self._full))
        if lease is None:
            return False
        self._lost.clear()
        self._lease = lease
        try:
            self._carry_out(lease)
        finally:
            self._lease = None
            self._lost.clear()
        return True

    def _carry_out(self, lease: Lease) -> None:
        job = lease.job
        _log.info("job %s taken, attempt %d, %d rows done", job.id, job.attempts, job.rows_done)
        try:
            if job.attempts > self._settings.jobs_attempts:
                raise JobFailedError(  # noqa: TRY301 - told as any other
                    f"{job.attempts - 1} worker processes in a row died at the part after row {job.rows_done}: see the "
                    "service's log"
                )
            obtain(lease, self._files, self._settings, self._step)
            predictor = self._predictors.get(job.asked_for.model, job.model_sha256)
            self._step()
            Work(lease, self._files, predictor, self._settings, step=self._step, ending=self._ending.is_set).carry_out()
        except LeaseLostError:
            _log.info("job %s was taken over, aborted or destroyed", job.id)
            self._clear(lease)
        except OSError as error:
            self._leave(lease, job, error, away=error.errno in NO_ROOM or not self._files.answer())
        except Exception as error:
            if not self._files.answer():  # the packages of stores have errors of their own
                self._leave(lease, job, error, away=True)
            elif isinstance(error, RedshiftError):
                self._fail(lease, error)
            else:
                _log.exception("job %s: unexpected error", job.id)
                self._fail(lease, JobFailedError("an unexpected error: see the service's log"))

    def _fail(self, lease: Lease, error: RedshiftError) -> None:
        _log.info("job %s failed: %s", lease.job.id, error.message)
        with contextlib.suppress(LeaseLostError):
            patiently(lambda: lease.fail(error))

    def _leave(self, lease: Lease, job: Job, error: Exception, *, away: bool) -> None:
        """Give up a lease after an error of the file store; no attempt is counted if the store is full or away."""
        _log.warning("job %s waits: %s", job.id, error)
        self._full[job.number] = time.monotonic() + (_FULL_SECONDS if away else 2.0)
        with contextlib.suppress(LeaseLostError):
            patiently(lease.release if away else lease.put_back)

    def _clear(self, lease: Lease) -> None:
        """Remove the files of a job that was destroyed meanwhile."""
        if not patiently(lease.exists):
            self._files.remove(lease.job.id)

    def _step(self) -> None:
        """Record progress; raises LeaseLostError if the job is no longer this process's."""
        self._stepped = time.monotonic()
        if self._lost.is_set():
            raise LeaseLostError

    def _live(self) -> None:
        """Tell the keeper every second that this process lives; end it if it hangs.

        A worker whose database does not answer does not hang, so nothing here waits for the database.
        """
        while not self._over.wait(min(1.0, self._settings.jobs_lease_seconds / 4)):
            if time.monotonic() - max(self._stepped, self._database.refused) > self._settings.jobs_step_seconds:
                _log.error("a worker hangs and ends itself")
                os._exit(HUNG)
            self._pulse()

    def _beat(self) -> None:
        """Tell the other workers, through the database, that this process still has its job."""
        while not self._over.wait(self._settings.jobs_lease_seconds / 4):
            lease = self._lease
            if lease is not None:
                self._beat_of(lease)

    def _beat_of(self, lease: Lease) -> None:
        try:
            lease.beat()
        except LeaseLostError:
            if self._lease is lease:
                self._lost.set()
        except RedshiftError:
            return  # the database does not answer: reported when a part is recorded


_MOST_NICE = 19


def _stand_back(nice: int) -> None:
    """Give other processes priority.

    When a request wakes up the service, a process that is only nice keeps the CPU for the rest of its time slice, some
    milliseconds; one with the idle scheduling policy gives it up at once (Linux).
    """
    os.nice(nice)
    if nice == _MOST_NICE and hasattr(os, "SCHED_IDLE"):
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def run(settings: Settings, pulse: Any, keeper: int) -> None:
    """Run a worker in a process that `keeper` starts.

    Parameters
    ----------
    settings : Settings
    pulse : multiprocessing.Value of double
        Time of the last sign of life, on the machine's monotonic clock.
    keeper : int
        PID of the process that started it; the worker ends when that process is gone.
    """
    logs.configure(settings.log_format, settings.log_level)
    _stand_back(settings.jobs_nice)

    def beat() -> None:
        pulse.value = time.monotonic()
        if os.getppid() != keeper:
            worker.end()

    worker = Worker(settings, beat)
    for sig in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sig, lambda *_: worker.end())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    worker.run()
    worker.close()
