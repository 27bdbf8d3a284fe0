"""Waiting for what a test needs, on a machine that may be busy."""

import time
from collections.abc import Callable

PATIENCE = 90.0
"""Seconds that a busy machine may take for anything."""


def wait_until(
    condition: Callable[[], bool],
    what: str,
    seconds: float = PATIENCE,
    *,
    every: float = 0.02,
    log: Callable[[], str] = lambda: "",
) -> None:
    """Return when a condition is true.

    Parameters
    ----------
    condition : callable
    what : str
        What is waited for, in words.
    seconds : float
    every : float
        Seconds between two looks.
    log : callable
        Returns what else the error shall say.

    Raises
    ------
    TimeoutError
        If it is not true after so many seconds.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {seconds:g} s still not true: {what}\n{log()}".rstrip())
        time.sleep(every)
