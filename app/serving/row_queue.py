"""Which waiting rows the network does next. Imports the library.

Waiting requests take turns, a slice of rows each, so that a large one does not hold up a small one.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from gaia_redshift.interpretation.prior import Prior
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import FloatArray

_FULL = 0.95
"""Fraction of the queue above which it counts as full for a request of unknown size."""


@dataclass(slots=True)
class Request:
    """A request whose rows wait, or are in the network."""

    flux: FloatArray
    prior: Prior
    pdf: bool
    reply: asyncio.Future[Redshifts]
    parts: list[Redshifts] = field(default_factory=list)
    """What has been found of its rows, in order."""
    taken: int = 0
    """Rows that have left the queue."""
    done: int = 0


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive rows of a request in a batch."""

    request: Request
    start: int
    stop: int


class RowQueue:
    """The rows that wait for the network.

    Parameters
    ----------
    slice_rows : int
        Rows that a request may contribute per turn.
    batch_rows : int
        Most rows per batch.
    most_rows : int
        Most rows that wait; a request is let in whatever its size where none do.
    """

    def __init__(self, *, slice_rows: int, batch_rows: int, most_rows: int) -> None:
        # With a slice longer than a batch, other requests would never get a turn.
        self._slice_rows = min(slice_rows, batch_rows)
        self._batch_rows, self._most_rows = batch_rows, most_rows
        self._waiting: deque[Request] = deque()
        self.rows = 0
        """Rows that wait."""

    @property
    def full(self) -> bool:
        """Whether it is nearly full."""
        return self.rows > _FULL * self._most_rows

    def has_room(self, rows: int) -> bool:
        """Return whether a request of this many rows may be added."""
        return not self.rows or self.rows + rows <= self._most_rows

    def add(self, request: Request) -> None:
        """Add a request, behind the others."""
        self._waiting.append(request)
        self.rows += len(request.flux)

    def leave(self, request: Request) -> None:
        """Remove the remaining rows of a request, after its client left or its batch failed."""
        self.rows -= len(request.flux) - request.taken
        request.taken = len(request.flux)

    def next_batch(self) -> list[Slice]:
        """Take a slice of each waiting request in turn, until the batch is full or no request waits."""
        batch: list[Slice] = []
        room = self._batch_rows
        while room and self._waiting:
            request = self._waiting.popleft()
            turn = min(self._slice_rows, len(request.flux) - request.taken)
            if request.reply.done() or not turn:
                continue
            rows = min(room, turn)
            batch.append(Slice(request, request.taken, request.taken + rows))
            request.taken += rows
            self.rows -= rows
            room -= rows
            if rows < turn:  # cut off by the end of the batch: otherwise it would wait for the whole queue again
                self._waiting.appendleft(request)
            elif request.taken < len(request.flux):
                self._waiting.append(request)
        return batch


def hand_out(batch: Sequence[Slice], found: Redshifts) -> None:
    """Give each request its rows of a batch, and its reply with the last of them."""
    start = 0
    for part in batch:
        rows = part.stop - part.start
        request = part.request
        request.parts.append(found.part(start, start + rows, pdf=request.pdf))
        request.done += rows
        start += rows
        if request.done == len(request.flux) and not request.reply.done():
            request.reply.set_result(Redshifts.join(request.parts))
