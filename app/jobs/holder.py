"""Who holds the lease of a job, and whether that process still lives. Imports nothing of the project.

No clock is trusted: it may be set back, or differ from that of another machine. A holder counts up in the database, and
who watches takes it for dead when the count has stood still for as long as the lease, on the watcher's own monotonic
clock. Of a process of this machine one can also see that it is gone.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

_PROC = Path("/proc")


def this_process() -> str:
    """Return a name that no other process has or will have: machine and boot, space of process numbers, start."""
    return f"{_place()}/{os.getpid()}/{_started(os.getpid())}"


def is_gone(holder: str) -> bool:
    """Return whether a process is known to have ended; of another machine nothing is known."""
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
    """Return when a process started, in ticks since the boot, or nothing if it has ended, waited for or not."""
    try:
        fields = (_PROC / str(number) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


class Watch:
    """Tells which holders have shown no sign of life for so long.

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
            Of every job that is held, its token and how far its holder has counted.
        """
        now = self._clock()
        seen = {}
        for job, count in counts.items():
            before = self._seen.get(job)
            seen[job] = before if before is not None and before[0] == count else (count, now)
        self._seen = seen
        return {job for job, (_, since) in seen.items() if now - since >= self._seconds}

    def forget(self) -> None:
        """Begin anew: for a while nobody could count, since the database did not answer."""
        self._seen = {}
