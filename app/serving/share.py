"""A share of the event loop: who has small work to do in it takes turns. Imports nothing of the project.

All that is ready is done in one turn of the loop, and nobody else is answered before its end: a thousand bodies that
had arrived were decoded in one turn of 7 s.
"""

import asyncio
import time
from collections import deque

_SECONDS = 0.01
"""Time for such work in each turn of the loop; the last work that was begun in it is finished."""
_WOKEN = 32
"""Most that are woken in each turn; those for whom there is no time left wait on, and keep their places."""


class LoopShare:
    """Gives out the time of each turn of the event loop, first come, first served."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._woken: deque[asyncio.Future[None]] = deque()
        self._began: float | None = None
        """When the first one had its turn, in this turn of the loop."""
        self._next_is_due = False
        self.waited = 0.0
        """Seconds for which the last one waited."""

    async def turn(self) -> None:
        """Return when there is time; the caller's work until it next waits is what is shared out."""
        if not self._waiting and not self._woken and self._take():
            self.waited = 0.0
            return
        asked = time.perf_counter()
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        await turn
        while not self._take():
            turn = asyncio.get_running_loop().create_future()
            self._woken.append(turn)
            await turn
        self.waited = time.perf_counter() - asked

    def _take(self) -> bool:
        now = time.perf_counter()
        if self._began is None:
            self._began = now
            self._come_back()
            return True
        return now - self._began < _SECONDS

    def _come_back(self) -> None:
        if not self._next_is_due:
            self._next_is_due = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        """Begin the next turn of the loop."""
        self._began, self._next_is_due = None, False
        self._waiting.extendleft(reversed(self._woken))
        self._woken.clear()
        for _ in range(min(_WOKEN, len(self._waiting))):
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
        if self._waiting:
            self._come_back()
