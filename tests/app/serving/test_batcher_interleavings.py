"""Thousands of random interleavings of clients and batches, all in one thread, so that each can be repeated."""

import asyncio
import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import Any

import numpy as np
import pytest

from app.errors import OverloadedError
from app.serving.batcher import Batcher
from gaia_redshift.interpretation.prior import Prior, PriorName
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import FloatArray

INTERLEAVINGS = 2400
_LARGEST = 30
NAMES: tuple[PriorName, ...] = ("survey", "flat")


class Someday(Executor):
    """Runs what it is given on the event loop, some turns of the loop later."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        loop = asyncio.get_running_loop()

        def turn(left: int) -> None:
            if left:
                loop.call_soon(turn, left - 1)
                return
            try:
                future.set_result(work(*arguments))
            except RuntimeError as error:
                future.set_exception(error)

        turn(self._chance.randrange(6))
        return future


class World:
    """One interleaving: a batcher, its clients, and the invariants."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311
        self.slice_rows = self.chance.randint(1, 6)
        self.batch_rows = self.slice_rows * self.chance.randint(1, 4)
        self.most = self.chance.randint(1, 60)
        self.batches = 0
        self.computed: set[int] = set()
        self.gone: set[int] = set()
        self.answered = self.refused = 0
        self.batcher = Batcher(
            self.engine,
            slice_rows=self.slice_rows,
            batch_rows=self.batch_rows,
            max_queued_rows=self.most,
        )
        self.batcher._thread = Someday(self.chance)  # type: ignore[assignment]
        self._gone_before_batch: set[int] = set()
        take = self.batcher._queue.next_batch

        def next_batch() -> Any:
            self._gone_before_batch = set(self.gone)
            return take()

        self.batcher._queue.next_batch = next_batch  # type: ignore[method-assign]

    def engine(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        """Return each row's number and its prior's; no row may be duplicate, or belong to a client that has left."""
        self.batches += 1
        rows = [int(number) for number in flux[:, 0]]
        assert 0 < len(rows) <= self.batch_rows
        assert not self.computed.intersection(rows)
        assert not {row // 1000 for row in rows} & self._gone_before_batch
        self.computed.update(rows)
        if self.chance.random() < 0.02:
            raise RuntimeError("the network broke")
        prior = np.repeat([NAMES.index(name) for _, name in priors] or [0], [n for n, _ in priors] or [len(rows)])
        values = np.repeat(flux[:, :1].astype(np.float64), len(COLUMNS), axis=1)
        return Redshifts(values, prior.astype(np.int32), values if pdf else None)

    async def client(self, number: int) -> None:
        """Arrive at some time, send a request, perhaps leave, and check the answer."""
        chance = self.chance
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        rows = chance.choice((1, 1, 1, 2, 5, _LARGEST))
        flux = np.arange(1000 * number, 1000 * number + rows, dtype=np.float32)[:, None]
        patient = chance.random() < 0.2
        prior, pdf = chance.choice(NAMES), chance.random() < 0.3
        others = before = 0

        async def ask() -> Redshifts:
            nonlocal others, before
            others, before = len(self.batcher._queue._waiting), self.batches
            return await self.batcher.submit(flux, prior, pdf=pdf, patient=patient)

        task = asyncio.create_task(ask())
        if chance.random() < 0.2:
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            if task.cancel():
                self.gone.add(number)
        try:
            output = await task
        except (asyncio.CancelledError, RuntimeError):
            return
        except OverloadedError:
            self.refused += 1
            return
        assert output.redshift.tolist() == flux[:, 0].tolist()
        assert set(output.flags.tolist()) == {NAMES.index(prior)}
        assert (output.pdf is not None) == pdf
        assert output.pdf is None or output.pdf[:, 0].tolist() == flux[:, 0].tolist()
        self.answered += 1
        if rows <= self.slice_rows and not patient:
            # Two batches may be running. A request that waited has one turn, which may begin again after a batch.
            turns = math.ceil((others + 1) * 2 * self.slice_rows / self.batch_rows)
            assert self.batches - before <= 2 + turns

    async def watch(self) -> None:
        """Check that all waiting rows are counted, and that they are not too many.

        Only a request that comes when nothing waits may be larger; the rows of one that was cancelled count until its
        task has run.
        """
        while True:
            waiting = sum(len(one.flux) - one.taken for one in self.batcher._queue._waiting if not one.reply.done())
            assert waiting <= self.batcher.queued_rows <= max(self.most, _LARGEST)
            await asyncio.sleep(0)

    async def run(self) -> None:
        """Run the interleaving."""
        async with self.batcher:
            watch = asyncio.create_task(self.watch())
            await asyncio.gather(*(self.client(number) for number in range(1, self.chance.randint(2, 14))))
            assert watch.cancel()
            assert self.batcher.queued_rows == 0


@pytest.mark.parametrize("part", range(4))
def test_no_interleaving_mixes_loses_or_starves_a_request(part: int) -> None:
    async def run() -> tuple[int, int, int]:
        answered = refused = gone = 0
        for seed in range(part, INTERLEAVINGS, 4):
            world = World(seed)
            try:
                await asyncio.wait_for(world.run(), 20)
            except BaseException as error:
                error.add_note(f"interleaving {seed}")
                raise
            answered, refused, gone = answered + world.answered, refused + world.refused, gone + len(world.gone)
        return answered, refused, gone

    answered, refused, gone = asyncio.run(run())
    assert min(answered, refused, gone) > 100
