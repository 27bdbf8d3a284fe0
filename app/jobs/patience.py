"""Waiting for a database that does not answer: a job must not end because of it. Imports `errors`."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from app.errors import DatabaseUnavailableError

_log = logging.getLogger("gaia_redshift")

_Result = TypeVar("_Result")

_LONGEST = 5.0


def patiently(work: Callable[[], _Result], stop: Callable[[], bool] = lambda: False) -> _Result:
    """Do something with the database, again and again until it answers.

    Parameters
    ----------
    work : callable
        May be done twice: what it writes is refused the second time, or is the same.
    stop : callable, optional
        Whether to give up: then its error is raised.
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
