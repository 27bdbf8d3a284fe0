"""Tables take turns: each that is being read holds some ten megabytes, those that wait are on the disk.

Imports nothing of the project.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

_LARGE_BYTES = 64 << 10
_LARGE, _SMALL = 6, 24
"""How many tables of more bytes than that, and of fewer, are read at once by all workers together."""


class Turns:
    """Lets so many tables be read at once, first come, first served; small ones do not wait for large ones.

    Parameters
    ----------
    workers : int
        Processes that share the memory.
    """

    def __init__(self, workers: int) -> None:
        self._large = asyncio.Semaphore(max(2, _LARGE // workers))
        self._small = asyncio.Semaphore(max(2, _SMALL // workers))

    @asynccontextmanager
    async def turn_of(self, file: IO[bytes]) -> AsyncIterator[None]:
        """Wait until a table may be read; its turn ends with the block."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        async with self._large if size > _LARGE_BYTES else self._small:
            yield
