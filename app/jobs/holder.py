"""The holder of a job's lease, and whether that process is still alive. Imports nothing of the project.

Clocks are not compared between machines, since they may differ or be set back. A holder increments a counter in the
database; a watcher considers it dead when the counter has not changed for the length of the lease, on the watcher's own
monotonic clock. For a process of the same machine it is also checked that the process exists.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """Return a unique name of this process: boot id, PID namespace, PID and start time."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Return whether a process is known to have ended; False for a process of another machine."""
    parts = holder.rsplit("/", 2)
    if len(parts) != 3 or parts[0] != _place():
        return False
    _, number, started = parts
    return not number.isdecimal() or _started(int(number)) != started


def _place() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return f"unknown/{os.uname().nodename}-{os.urandom(8).hex()}"


def _started(number: int) -> str:
    """Return the start time of a process in ticks since boot; empty if it has ended, even as a zombie."""
    try:
        fields = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


class Watch:
    """Finds the holders that have shown no sign of life for a given time.

    Parameters
    ----------
    seconds : float
    clock : callable, optional
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._seen: dict[int, tuple[tuple[int, int], float]] = {}

    def look(self, counts: dict[int, tuple[int, int]]) -> set[int]:
        """Return the jobs whose holder is silent.

        Parameters
        ----------
        counts : dict
            For every held job, the token and the holder's counter.
        """
        now = self._clock()
        seen = {}
        for job, count in counts.items():
            before = self._seen.get(job)
            seen[job] = before if before is not None and before[0] == count else (count, now)
        self._seen = seen
        return {job for job, (_, since) in seen.items() if now - since >= self._seconds}

    def forget(self) -> None:
        """Start over, after a time in which the database did not answer and no holder could count."""
        self._seen = {}
