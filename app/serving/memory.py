"""Returning freed memory to the system. Imports nothing of the project.

Tables are read in blocks of a few megabytes. The C library would keep freed blocks in one arena per thread, 150 MB more
than what is in use. It also keeps smaller blocks, such as the pieces of a body, as long as something else lies behind
them: after twenty attacks, one after the other, a process had 162 MB more than what was in use.
"""

import asyncio
import ctypes
import os
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of glibc's `mallopt`."""
_LARGE_BYTES = 1 << 20
_ARENAS = 2
_AFTER_SECONDS = 2.0
"""Between a request that took memory and the return of what is free. Done at most once in this time: it takes some
10 ms, in which no thread can allocate."""


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
        try:
            self._trim = ctypes.CDLL(None).malloc_trim
        except (OSError, AttributeError):
            self._due = True

    def soon(self) -> None:
        """Do it in a while, in a thread, unless that is due already."""
        if not self._due:
            self._due = True
            asyncio.get_running_loop().call_later(_AFTER_SECONDS, self._begin)

    def _begin(self) -> None:
        self._due = False
        asyncio.get_running_loop().run_in_executor(None, self._trim, 0)
