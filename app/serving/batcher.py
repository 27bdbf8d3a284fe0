"""Merges concurrent requests into batches for the network. Imports `errors` and `spectra` of the project.

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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import NotReadyError, OverloadedError
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
"""Turns that the event loop gets between two batches, as many as a request takes: the last batch's answers are made,
interpreted and written, the next requests read and decoded."""

Answers = NDArray[np.float64]
"""What an engine gives, shape (n, width)."""

Watch = Callable[[int, int, float, int], None]
"""Called after each batch with its rows, its requests, its seconds, and the rows that still wait."""


@dataclass(slots=True)
class _Request:
    flux: FloatArray
    wish: object
    reply: asyncio.Future[Answers]
    output: Answers
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
    engine : callable
        (n, 186) fluxes to (n, width) outputs; called in a thread of its own but for what is done at once, never twice
        at a time. Where a request has a wish, it also gets the wishes, a pair of each and its number of rows.
    width : int
        Numbers that the engine gives per spectrum.
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
        engine: Callable[..., Answers],
        *,
        width: int = 1,
        slice_rows: int = 64,
        batch_rows: int = 256,
        max_queued_rows: int = 50_000,
        watch: Watch | None = None,
    ) -> None:
        self._engine, self._width, self._watch = engine, width, watch
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
        *,
        wish: object = None,
        width: int | None = None,
        patient: bool = False,
        alone: bool = False,
    ) -> Answers:
        """Return the engine's output, shape (n, width), for fluxes of shape (n, 186).

        Parameters
        ----------
        flux : ndarray of float32, shape (n, 186)
        wish : optional
            What the engine shall know of these rows.
        width : int, optional
            Of these rows' output, if it is another than that of others: the first numbers of what the engine gives.
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
        output = np.empty((len(flux), width or self._width))
        if not len(flux):
            return output
        if self._lonely(alone) and self._fast(len(flux)):
            started = time.perf_counter()
            output[:] = self._run(flux, [(wish, len(flux))])[:, : output.shape[1]]
            self._measure(1, len(flux), time.perf_counter() - started)
            return output
        while self.queued_rows and self.queued_rows + len(flux) > self._max_queued_rows:
            if not patient:
                raise self.overloaded()
            self._room.clear()
            await self._room.wait()
        request = _Request(flux, wish, asyncio.get_running_loop().create_future(), output)
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
            started = time.perf_counter()
            self._busy = True
            try:
                wishes = [(part.request.wish, part.stop - part.start) for part in batch]
                output = await loop.run_in_executor(self._thread, self._run, flux, wishes)
            except Exception as error:  # whatever fails, its clients must hear of it
                for part in batch:
                    if not part.request.reply.done():
                        part.request.reply.set_exception(error)
                continue
            finally:
                self._busy = False
            self._measure(len(batch), len(flux), time.perf_counter() - started)
            self._hand_out(batch, output)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def _run(self, flux: FloatArray, wishes: list[tuple[object, int]]) -> Answers:
        return self._engine(flux) if all(wish is None for wish, _ in wishes) else self._engine(flux, wishes)

    def _measure(self, requests: int, rows: int, seconds: float) -> None:
        self._done_rows = _MEMORY * self._done_rows + rows
        self._done_seconds = _MEMORY * self._done_seconds + seconds
        if self._watch is not None:
            self._watch(rows, requests, seconds, self.queued_rows)

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
    def _hand_out(batch: list[_Slice], output: Answers) -> None:
        start = 0
        for part in batch:
            rows = part.stop - part.start
            request = part.request
            request.output[part.start : part.stop] = output[start : start + rows, : request.output.shape[1]]
            request.done += rows
            start += rows
            if request.done == len(request.flux) and not request.reply.done():
                request.reply.set_result(request.output)
