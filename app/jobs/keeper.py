"""`Keeper`: starts the job workers, replaces those that end or hang, and stops them. Imports `worker`."""

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

from app.jobs import worker
from app.settings import Settings

_log = logging.getLogger("gaia_redshift")

_LOOK_SECONDS = 0.2
_START_SECONDS = 600.0
"""Seconds within which a worker must show its first sign of life; it runs at low priority."""
_AGAIN_SECONDS = 1.0
"""Seconds between the end of a worker and the next start, so that one that cannot start does not use all the CPU."""
_STOP_SECONDS = 10.0
"""Seconds that a worker has to finish its part after being told to end; the next worker does the rest."""


class Keeper:
    """Keeps the configured number of job workers running.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._context = multiprocessing.get_context("spawn")
        self._kept: list[_Kept] = []
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="jobs", daemon=True)

    def start(self) -> None:
        """Start the processes."""
        self._kept = [_Kept(self._context, self._settings) for _ in range(self._settings.jobs_workers)]
        self._thread.start()

    def stop(self) -> None:
        """Stop the workers, each after its current part."""
        self._stopping.set()
        self._thread.join()
        for kept in self._kept:
            kept.tell(signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        for kept in self._kept:
            kept.wait(max(0.0, deadline - time.monotonic()))

    def _keep(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            for kept in self._kept:
                kept.look()


class _Kept:
    """One worker and its successors."""

    def __init__(self, context: Any, settings: Settings) -> None:
        self._context, self._settings = context, settings
        self._start()

    def _start(self) -> None:
        self._pulse = self._context.Value("d", time.monotonic() + _START_SECONDS, lock=False)
        arguments = (self._settings, self._pulse, os.getpid())
        self._process = self._context.Process(target=worker.run, args=arguments, name="jobs", daemon=True)
        self._process.start()

    def look(self) -> None:
        """Replace the worker if it has ended or hangs."""
        silent = time.monotonic() - self._pulse.value
        if self._process.is_alive() and silent <= 2 * self._settings.jobs_lease_seconds:
            return
        if self._process.is_alive():
            _log.error("a job worker hangs and is replaced: no sign of life for %.0f s", silent)
            self._process.kill()
        self._process.join()
        if self._process.exitcode:
            _log.error("a job worker ended with exit code %d and is replaced", self._process.exitcode)
        time.sleep(_AGAIN_SECONDS)
        try:
            self._start()
        except OSError as error:  # no memory or no process left; `look` tries again
            _log.error("no job worker can be started: %s", error)

    def tell(self, sig: signal.Signals) -> None:
        """Send a signal."""
        with contextlib.suppress(ProcessLookupError):
            if self._process.pid is not None and self._process.is_alive():
                os.kill(self._process.pid, sig)

    def wait(self, seconds: float) -> None:
        """Wait for the end of the worker, and kill it after `seconds`."""
        self._process.join(seconds)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


@contextlib.contextmanager
def keeping(settings: Settings) -> Iterator[None]:
    """Run the job workers, if the settings ask for any, until the block ends."""
    keeper = Keeper(settings)
    keeper.start()
    try:
        yield
    finally:
        keeper.stop()
