"""Memory that was used is given back to the system. Imports nothing of the project.

Tables are read in blocks of some megabytes, which the C library would keep for the next ones, in as many places as
there are threads: 150 MB more than what is in use.
"""

import ctypes
import os
from contextlib import suppress

_MMAP_THRESHOLD, _ARENA_MAX = -3, -8
"""Parameters of glibc's `mallopt`."""
_LARGE_BYTES = 1 << 20
_ARENAS = 2


def give_back() -> None:
    """Let large blocks come from the system and go back there, and let Arrow take its own from the same place.

    Called before Arrow is used. Where the C library is not glibc, nothing changes but for Arrow.
    """
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE_BYTES)
        libc.mallopt(_ARENA_MAX, _ARENAS)
