"""Retrying while the database does not answer, so that a job does not fail because of it. Imports `errors`."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from app.errors import DatabaseUnavailableError

_log = logging.getLogger("gaia_redshift")

_Result = TypeVar("_Result")

_LONGEST = 5.0


def patiently(work: Callable[[], _Result], stop: Callable[[], bool] = lambda: False) -> _Result:
    """Call a function that uses the database, repeatedly until the database answers.

    Parameters
    ----------
    work : callable
        Must be safe to repeat: a second write is refused, or has no effect.
    stop : callable, optional
        Returns whether to give up; then the error is raised.
    """
    seconds = 0.1
    while True:
        try:
            return work()
        except DatabaseUnavailableError as error:
            if stop():
                raise
            _log.warning("waiting for the jobs' database: %s", error.message)
            time.sleep(seconds)
            seconds = min(2 * seconds, _LONGEST)
