"""Merges concurrent requests into batches for the network. Imports `errors`, `row_queue` and the library.

Greedy: when the network becomes idle, all waiting rows form a batch. No request waits for others, since a wait of 2 ms
costs a single client two thirds of its throughput (docs/performance.md). Between two batches the event loop does its
pending work, so that the next batch is large and the network has the cores to itself. Small requests of a single client
run in the event loop, without a change of thread. Fair: `row_queue` decides whose rows are next. Bounded: rows beyond
`max_queued_rows` are refused at once, with the time until the waiting rows will be done.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from app.errors import NotReadyError, OverloadedError
from app.serving.row_queue import Request, RowQueue, hand_out
from gaia_redshift.interpretation.prior import Prior
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import FloatArray

_MEMORY = 0.95
"""Weight of the previous value in the running mean of the speed."""

_HERE_ROWS = 1
_HERE_SECONDS = 0.001
_LONELY_SECONDS = 0.05
"""A request of at most this many rows and seconds runs in the event loop, if its client was alone for this long: two
changes of thread would cost more. With 16 clients it would cost 7% of the throughput, because batches get smaller."""

_TURNS = 5
"""Turns of the event loop between two batches, the number that a request needs: answers of the last batch are written,
and the next requests are read and decoded."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A finished batch."""

    flux: FloatArray
    found: Redshifts
    requests: int
    seconds: float
    queued_rows: int
    """Rows still waiting."""


Watch = Callable[[Batch], None]
"""Called with each batch after its answers have been handed out."""


class Work(Protocol):
    """Function from fluxes to redshifts; a row's result does not depend on the other rows."""

    def __call__(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        """Return the redshifts of n spectra.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
        priors : sequence of (int, Prior)
            Consecutive numbers of rows and their prior, in order; empty if all rows have the survey's.
        pdf : bool
            Also return the densities.
        """
        ...


class Batcher:
    """Runs an engine in one thread for many concurrent requests.

    Parameters
    ----------
    work : Work
        Called in its own thread, or in the event loop for small requests; never concurrently.
    slice_rows : int
        Rows that a request may contribute per turn.
    batch_rows : int
        Most rows per batch.
    max_queued_rows : int
        Most waiting rows; beyond it `submit` raises OverloadedError. A request is never refused if no rows wait.
    watch : callable, optional
        Called with each batch.
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
        self._queue = RowQueue(slice_rows=slice_rows, batch_rows=batch_rows, most_rows=max_queued_rows)
        self._wake, self._room = asyncio.Event(), asyncio.Event()
        self._done_rows = self._done_seconds = 0.0
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="engine")
        self._worker: asyncio.Task[None] | None = None
        self._busy = False
        self._company = -math.inf  # when there were last several requests at a time

    async def __aenter__(self) -> "Batcher":
        self._worker = asyncio.create_task(self._work(), name="batcher")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Refuse new requests, answer the accepted ones, then end."""
        worker, self._worker = self._worker, None
        self._wake.set()
        if worker is not None:
            await worker
        self._thread.shutdown(wait=True)

    def seconds_to_drain(self) -> float:
        """Return the seconds that the waiting rows will take, at the measured speed."""
        return self._seconds_for(self.queued_rows)

    def _seconds_for(self, rows: int) -> float:
        """Return the seconds that the network needs for this many rows; zero before the first batch."""
        return rows * self._done_seconds / self._done_rows if self._done_rows else 0.0

    @property
    def queued_rows(self) -> int:
        """Rows that wait."""
        return self._queue.rows

    @property
    def full(self) -> bool:
        """Whether the queue is nearly full."""
        return self._queue.full

    def overloaded(self) -> OverloadedError:
        """Return the error for a full queue, with the time that the waiting rows will take."""
        return OverloadedError(
            f"{self.queued_rows} spectra are already waiting: try again in a moment", self.seconds_to_drain()
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
            Prior of all rows.
        pdf : bool
            Also return the densities.
        patient : bool
            Wait for room instead of being refused; for the later blocks of a table whose first block was accepted.
        alone : bool
            No other request is being served, so that a small request may run in the event loop.

        Raises
        ------
        OverloadedError
            If too many rows are waiting.
        NotReadyError
            If the batcher has been shut down.
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
        while not self._queue.has_room(len(flux)):
            if not patient:
                raise self.overloaded()
            self._room.clear()
            await self._room.wait()
        request = Request(flux, prior, pdf, asyncio.get_running_loop().create_future())
        self._queue.add(request)
        self._wake.set()
        try:
            return await request.reply
        finally:
            self._queue.leave(request)
            self._room.set()

    def _lonely(self, alone: bool) -> bool:
        """Return whether this client has been the only one for a while."""
        now = time.perf_counter()
        if not alone or self._busy or self._queue.rows:
            self._company = now
        return now - self._company > _LONELY_SECONDS

    def _fast(self, rows: int) -> bool:
        """Return whether the network needs little time for this many rows, by measurement."""
        return rows <= _HERE_ROWS and 0 < self._seconds_for(rows) < _HERE_SECONDS

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            batch = self._queue.next_batch()
            self._room.set()
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
            except Exception as error:  # any error must reach the clients
                for part in batch:
                    if not part.request.reply.done():
                        part.request.reply.set_exception(error)
                continue
            finally:
                self._busy = False
            seconds = time.perf_counter() - started
            hand_out(batch, found)
            self._measure(flux, found, len(batch), seconds)
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    def _measure(self, flux: FloatArray, found: Redshifts, requests: int, seconds: float) -> None:
        self._done_rows = _MEMORY * self._done_rows + len(flux)
        self._done_seconds = _MEMORY * self._done_seconds + seconds
        if self._watch is not None:
            self._watch(Batch(flux, found, requests, seconds, self.queued_rows))


def _runs(priors: list[tuple[int, Prior]]) -> list[tuple[int, Prior]]:
    """Return consecutive numbers of rows and their prior; empty if all rows have the survey's."""
    return priors if any(prior != "survey" for _, prior in priors) else []
