"""Returning freed memory to the system. Imports nothing of the project.

Tables are read in blocks of a few megabytes. The C library would keep freed blocks in one arena per thread, 150 MB more
than what is in use.
"""

import ctypes
import os
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of glibc's `mallopt`."""
_LARGE_BYTES = 1 << 20
_ARENAS = 2


def give_back() -> None:
    """Make malloc return large blocks to the system when freed, and make Arrow use malloc.

    Must be called before Arrow is used. With a C library other than glibc it affects only Arrow.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_ARENA_MAX, _ARENAS)
