"""Limits how many tables are read at once: each needs about 10 MB of memory, while waiting ones are on the disk.

Imports nothing of the project.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

_LARGE_BYTES = 64 << 10
_LARGE, _SMALL = 6, 24
"""Size in bytes of a large table, and how many large and small tables all workers together read at once."""


class Turns:
    """Limits the tables read at once, first come, first served; small tables do not wait for large ones.

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
        """Wait until a table may be read; its turn lasts until the end of the block."""
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        async with self._large if size > _LARGE_BYTES else self._small:
            yield
