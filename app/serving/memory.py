"""Returning freed memory to the system. Imports nothing of the project.

Tables are read in blocks of a few megabytes. The C library would keep freed blocks in one arena per thread, 150 MB more
than what is in use. It also keeps smaller blocks, such as the pieces of a body, as long as something else lies behind
them: after twenty attacks, one after the other, a process had 162 MB more than what was in use.
"""

import asyncio
import ctypes
import os
from contextlib import suppress
from pathlib import Path

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of glibc's `mallopt`."""
_LARGE_BYTES = 1 << 20
_ARENAS = 2
_AFTER_SECONDS = 1.0
"""Between a request that took memory and the return of what is free. Done at most once in this time: it takes some
10 ms, in which no thread can allocate."""
_WORTH_BYTES = 16 << 20
"""Growth of the process from which on this is done. Small bodies in their thousands leave as much behind as large ones:
of 610 MB of a process under overload 370 were free."""


def give_back() -> None:
    """Make malloc return large blocks to the system when freed, and make Arrow use malloc.

    Must be called before Arrow is used. With a C library other than glibc it affects only Arrow.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_ARENA_MAX, _ARENAS)


class Return:
    """Returns to the system, from time to time, what is free between blocks in use; with glibc alone."""

    def __init__(self) -> None:
        self._due = False
        self._freed = 0
        self._kept = resident_bytes()
        """Memory of the process after the last return."""
        try:
            self._trim = ctypes.CDLL(None).malloc_trim
        except (OSError, AttributeError):
            self._due = True

    def freed(self, size: int) -> None:
        """Count bytes of bodies that are no longer held; return memory in a while, in a thread, if they are many."""
        self._freed += size
        if self._freed > _LARGE_BYTES and not self._due:
            self._freed, self._due = 0, True
            asyncio.get_running_loop().call_later(_AFTER_SECONDS, self._begin)

    def _begin(self) -> None:
        self._due = False
        if resident_bytes() > self._kept + _WORTH_BYTES:
            asyncio.get_running_loop().run_in_executor(None, self._return)

    def _return(self) -> None:
        self._trim(0)
        self._kept = resident_bytes()


def resident_bytes() -> int:
    """Return the memory of this process; 0 if the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
