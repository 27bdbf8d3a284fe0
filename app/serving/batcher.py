"""Merges concurrent requests into batches for the network. Imports `errors` and the library.

Greedy: a batch is whatever waits when the network falls idle; nobody waits for company, since a wait of 2 ms costs a
lone client two thirds of its throughput (docs/performance.md). Between two batches the event loop gets through what it
has to do, so that the next one is large and the network has the cores to itself. A client that is alone does not even
wait for another thread to take over. Fair: waiting requests take turns, a slice of rows each, so a huge one does not
hold up a small one. Bounded: rows beyond `max_queued_rows` are refused at once, and told when the network will be done
with those that wait.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from app.errors import NotReadyError, OverloadedError
from gaia_redshift.interpretation.prior import Prior
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import FloatArray

_MEMORY = 0.95
"""How much of the measured speed is kept from one batch to the next."""

_FULL = 0.95
"""The part of the queue that counts as full for a request of unknown size."""

_HERE_ROWS = 1
_HERE_SECONDS = 0.001
_LONELY_SECONDS = 0.05
"""A request no larger than this, of a client that has been alone for a while, runs in the event loop: two changes of
thread cost more than that network. Among 16 clients it would cost 7% of the throughput: batches get smaller."""

_TURNS = 5
"""Turns that the event loop gets between two batches, as many as a request takes: the last batch's answers are written,
the next requests read and decoded."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What was done at once."""

    flux: FloatArray
    found: Redshifts
    requests: int
    seconds: float
    queued_rows: int
    """Rows that still wait."""


Watch = Callable[[Batch], None]
"""Called when the answers are on their way."""


class Work(Protocol):
    """What a batch is given to: a model's way from fluxes to redshifts, row by row the same in whatever company."""

    def __call__(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        """Return the redshifts of n spectra.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
        priors : sequence of (int, Prior)
            How many rows have which prior, in their order; empty where all have the survey's.
        pdf : bool
            Give the densities too.
        """
        ...


@dataclass(slots=True)
class _Request:
    flux: FloatArray
    prior: Prior
    pdf: bool
    reply: asyncio.Future[Redshifts]
    parts: list[Redshifts]
    taken: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True)
class _Slice:
    request: _Request
    start: int
    stop: int


class Batcher:
    """Runs an engine in one thread for many concurrent requests.

    Parameters
    ----------
    work : Work
        Called in a thread of its own but for what is done at once, never twice at a time.
    slice_rows : int
        Rows a request may take per turn.
    batch_rows : int
        Most rows given to the engine at once.
    max_queued_rows : int
        Most rows that may wait; above it `submit` raises OverloadedError. A request is never refused when none wait.
    watch : callable, optional
        Who wants to know of each batch.
    """

    def __init__(
        self,
        work: Work,
        *,
        slice_rows: int = 64,
        batch_rows: int = 256,
        max_queued_rows: int = 50_000,
        watch: Watch | None = None,
    ) -> None:
        self._work_on, self._watch = work, watch
        # A turn longer than a batch would never end, and the others never get theirs.
        self._slice_rows = min(slice_rows, batch_rows)
        self._batch_rows, self._max_queued_rows = batch_rows, max_queued_rows
        self._waiting: deque[_Request] = deque()
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._done_rows = self._done_seconds = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._worker: asyncio.Task[None] | None = None
        self._busy = False
        self._company = -math.inf  # when requests were last seen beside each other
        self.queued_rows = 0

    async def __aenter__(self) -> "Batcher":
        self._worker = asyncio.create_task(self._work(), name="batcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Refuse new requests, answer those that were accepted, then end."""
        worker, self._worker = self._worker, None
        self._wake.set()
        if worker is not None:
            await worker
        self._thread.shutdown(wait=True)

    def seconds_to_drain(self) -> float:
        """Return how long the rows that wait now will take, at the speed measured last."""
        return self._seconds_for(self.queued_rows)

    def _seconds_for(self, rows: int) -> float:
        """Return how long the network needs for so many rows; zero before it has done any."""
        return rows * self._done_seconds / self._done_rows if self._done_rows else 0.0

    @property
    def full(self) -> bool:
        """Whether hardly a row would fit."""
        return self.queued_rows > _FULL * self._max_queued_rows

    def overloaded(self) -> OverloadedError:
        """Return the refusal, with the time that the rows in the queue need."""
        return OverloadedError(
            f"{self.queued_rows} spectra already wait: try again in a moment", self.seconds_to_drain()
        )

    async def submit(
        self,
        flux: FloatArray,
        prior: Prior = "survey",
        *,
        pdf: bool = False,
        patient: bool = False,
        alone: bool = False,
    ) -> Redshifts:
        """Return the redshifts of spectra.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
        prior : Prior
            Of all of them.
        pdf : bool
            Return the densities too.
        patient : bool
            Wait for room instead of being refused: for the later blocks of a table whose first was accepted.
        alone : bool
            No other request is being served: with a fast network, one row is answered before anything else happens.

        Raises
        ------
        OverloadedError
            If too many rows wait already.
        NotReadyError
            If the batcher was shut down.
        """
        if self._worker is None:
            raise NotReadyError("the service is shutting down")
        if not len(flux):
            return Redshifts(np.empty((0, len(COLUMNS))), np.empty(0, np.int32))
        if self._lonely(alone) and self._fast(len(flux)):
            started = time.perf_counter()
            found = self._work_on(flux, _runs([(len(flux), prior)]), pdf=pdf)
            self._measure(flux, found, 1, time.perf_counter() - started)
            return found
        while self.queued_rows and self.queued_rows + len(flux) > self._max_queued_rows:
            if not patient:
                raise self.overloaded()
            self._room.clear()
            await self._room.wait()
        request = _Request(flux, prior, pdf, asyncio.get_running_loop().create_future(), [])
        self._waiting.append(request)
        self.queued_rows += len(flux)
        self._wake.set()
        try:
            return await request.reply
        finally:
            self._leave(request)

    def _lonely(self, alone: bool) -> bool:
        """Say whether nobody has been beside this client for a while."""
        now = time.perf_counter()
        if not alone or self._busy or self._waiting:
            self._company = now
        return now - self._company > _LONELY_SECONDS

    def _fast(self, rows: int) -> bool:
        """Say whether the network is known to be done with so many rows before anybody would notice."""
        return rows <= _HERE_ROWS and 0 < self._seconds_for(rows) < _HERE_SECONDS

    def _leave(self, request: _Request) -> None:
        """Free the rows a request never got to, when its client is gone or its batch failed."""
        self.queued_rows -= len(request.flux) - request.taken
        request.taken = len(request.flux)
        self._room.set()

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            batch = self._next_batch()
            if not batch:
                if self._worker is None:
                    return
                self._wake.clear()
                continue
            parts = [part.request.flux[part.start : part.stop] for part in batch]
            flux = parts[0] if len(parts) == 1 else np.concatenate(parts)
            runs = _runs([(part.stop - part.start, part.request.prior) for part in batch])
            work = partial(self._work_on, flux, runs, pdf=any(part.request.pdf for part in batch))
            started = time.perf_counter()
            self._busy = True
            try:
                found = await loop.run_in_executor(self._thread, work)
            except Exception as error:  # whatever fails, its clients must hear of it
                for part in batch:
                    if not part.request.reply.done():
                        part.request.reply.set_exception(error)
                continue
            finally:
                self._busy = False
            seconds = time.perf_counter() - started
            self._hand_out(batch, found)
            self._measure(flux, found, len(batch), seconds)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def _measure(self, flux: FloatArray, found: Redshifts, requests: int, seconds: float) -> None:
        self._done_rows = _MEMORY * self._done_rows + len(flux)
        self._done_seconds = _MEMORY * self._done_seconds + seconds
        if self._watch is not None:
            self._watch(Batch(flux, found, requests, seconds, self.queued_rows))

    def _next_batch(self) -> list[_Slice]:
        """Take a slice of each waiting request in turn, until the batch is full or nobody waits."""
        batch: list[_Slice] = []
        room = self._batch_rows
        while room and self._waiting:
            request = self._waiting.popleft()
            turn = min(self._slice_rows, len(request.flux) - request.taken)
            if request.reply.done() or not turn:
                continue
            rows = min(room, turn)
            batch.append(_Slice(request, request.taken, request.taken + rows))
            request.taken += rows
            self.queued_rows -= rows
            room -= rows
            if rows < turn:  # cut off by the end of the batch: it would wait for the whole queue once more
                self._waiting.appendleft(request)
            elif request.taken < len(request.flux):
                self._waiting.append(request)
        self._room.set()
        return batch

    @staticmethod
    def _hand_out(batch: list[_Slice], found: Redshifts) -> None:
        start = 0
        for part in batch:
            rows = part.stop - part.start
            request = part.request
            request.parts.append(found.part(start, start + rows, pdf=request.pdf))
            request.done += rows
            start += rows
            if request.done == len(request.flux) and not request.reply.done():
                request.reply.set_result(Redshifts.join(request.parts))


def _runs(priors: list[tuple[int, Prior]]) -> list[tuple[int, Prior]]:
    """Return how many rows have which prior; nothing where all have the survey's."""
    return priors if any(prior != "survey" for _, prior in priors) else []
