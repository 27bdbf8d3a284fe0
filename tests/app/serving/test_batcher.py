import asyncio
import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import NotReadyError, OverloadedError
from app.serving.batcher import Batcher
from gaia_redshift.interpretation.prior import Prior
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import DR3, FloatArray


def first_flux(flux: FloatArray, _priors: Sequence[tuple[int, Prior]] = (), *, pdf: bool = False) -> Redshifts:
    """Return each spectrum's first flux as its redshift, which identifies its row."""
    values = np.repeat(flux[:, :1].astype(np.float64), len(COLUMNS), axis=1)
    return Redshifts(values, np.zeros(len(flux), np.int32), values[:, :2] if pdf else None)


def unlucky(flux: FloatArray, _priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
    if (flux[:, 0] == 13).any():
        raise RuntimeError("out of memory")
    return first_flux(flux, pdf=pdf)


def spectra(start: int, rows: int) -> FloatArray:
    flux = np.zeros((rows, DR3.samples), np.float32)
    flux[:, 0] = np.arange(start, start + rows)
    return flux


class Gate:
    """An engine that waits until it is opened, and remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.batches: list[list[float]] = []

    def __call__(self, flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        self.open.wait(10)
        self.batches.append(flux[:, 0].tolist())
        return first_flux(flux, priors, pdf=pdf)


@settings(max_examples=60)
@given(st.data())
def test_replies_are_never_mixed_up(data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(0, 40), min_size=1, max_size=60))
    seed = data.draw(st.integers(0, 2**32))
    slice_rows, batch_rows = data.draw(st.integers(1, 8)), data.draw(st.integers(1, 30))

    async def run() -> None:
        chance = random.Random(seed)  # noqa: S311
        async with Batcher(first_flux, slice_rows=slice_rows, batch_rows=batch_rows) as batcher:

            async def client(number: int, rows: int) -> None:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                flux = spectra(1000 * number, rows)
                task = asyncio.create_task(batcher.submit(flux, alone=chance.random() < 0.3))
                if chance.random() < 0.2:
                    await asyncio.sleep(0)
                    task.cancel()
                with suppress(asyncio.CancelledError):
                    assert (await task).redshift.tolist() == flux[:, 0].tolist()

            await asyncio.gather(*(client(number, rows) for number, rows in enumerate(sizes)))
            assert batcher.queued_rows == 0

    asyncio.run(run())


def run_gated(scenario: Callable[[Batcher, Gate], object], **options: int) -> Gate:
    async def run() -> None:
        async with Batcher(gate, **options) as batcher:
            try:
                await scenario(batcher, gate)  # type: ignore[misc]
            finally:
                gate.open.set()

    gate = Gate()
    asyncio.run(run())
    return gate


def test_requests_that_wait_together_are_one_batch() -> None:
    async def scenario(batcher: Batcher, gate: Gate) -> None:
        tasks = [asyncio.create_task(batcher.submit(spectra(number, 1))) for number in range(10)]
        await asyncio.sleep(0.05)
        gate.open.set()
        await asyncio.gather(*tasks)

    assert [len(batch) for batch in run_gated(scenario).batches] == [10]


def test_a_small_request_does_not_wait_for_a_huge_one() -> None:
    async def scenario(batcher: Batcher, gate: Gate) -> None:
        huge = asyncio.create_task(batcher.submit(spectra(0, 10_000)))
        await asyncio.sleep(0.05)
        small = asyncio.create_task(batcher.submit(spectra(-1, 1)))
        await asyncio.sleep(0.05)
        gate.open.set()
        await small
        assert not huge.done()
        await huge

    batches = run_gated(scenario, slice_rows=8, batch_rows=32).batches
    assert next(number for number, batch in enumerate(batches) if -1 in batch) <= 1


def test_rows_above_the_bound_are_refused_and_the_others_answered() -> None:
    async def scenario(batcher: Batcher, gate: Gate) -> None:
        first = asyncio.create_task(batcher.submit(spectra(0, 1)))
        await asyncio.sleep(0.05)  # in the engine
        second = asyncio.create_task(batcher.submit(spectra(1, 90)))
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="90 spectra are already waiting"):
            await batcher.submit(spectra(200, 11))
        third = asyncio.create_task(batcher.submit(spectra(300, 10)))
        await asyncio.sleep(0)
        gate.open.set()
        assert [len(await task) for task in (first, second, third)] == [1, 90, 10]

    run_gated(scenario, max_queued_rows=100)


def test_a_cancelled_client_frees_its_rows_at_once_and_is_not_computed() -> None:
    async def scenario(batcher: Batcher, gate: Gate) -> None:
        first = asyncio.create_task(batcher.submit(spectra(0, 1)))
        await asyncio.sleep(0.05)
        gone = asyncio.create_task(batcher.submit(spectra(500, 100)))
        await asyncio.sleep(0)
        assert batcher.queued_rows == 100
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert batcher.queued_rows == 0
        gate.open.set()
        await first
        assert (await batcher.submit(spectra(7, 1))).redshift.tolist() == [7]

    gate = run_gated(scenario, max_queued_rows=100)
    assert [row for batch in gate.batches for row in batch] == [0, 7]


def test_an_engine_that_fails_fails_only_its_own_batch() -> None:
    async def run() -> None:
        async with Batcher(unlucky) as batcher:
            with pytest.raises(RuntimeError, match="out of memory"):
                await batcher.submit(spectra(13, 1))
            assert (await batcher.submit(spectra(14, 2))).redshift.tolist() == [14, 15]
            assert batcher.queued_rows == 0

    asyncio.run(run())


def test_shutting_down_answers_who_was_accepted_and_refuses_the_rest() -> None:
    async def run() -> None:
        gate = Gate()
        async with Batcher(gate) as batcher:
            first = asyncio.create_task(batcher.submit(spectra(0, 1)))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(batcher.submit(spectra(1, 1)))
            await asyncio.sleep(0)
            asyncio.get_running_loop().call_later(0.05, gate.open.set)
        assert (await asyncio.wait_for(first, 1)).redshift.tolist() == [0]
        assert (await asyncio.wait_for(second, 1)).redshift.tolist() == [1]
        with pytest.raises(NotReadyError):
            await batcher.submit(spectra(0, 1))

    asyncio.run(run())


def test_a_lone_row_is_done_at_once_where_the_network_is_idle_and_known_to_be_fast(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.serving.batcher._LONELY_SECONDS", 0.2)
    monkeypatch.setattr("app.serving.batcher._HERE_SECONDS", 0.1)  # the machine may be busy
    threads: list[str] = []
    seen: list[tuple[int, int]] = []
    pause = 0.0

    def engine(flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        threads.append("here" if threading.current_thread() is threading.main_thread() else "there")
        time.sleep(pause)
        return first_flux(flux, priors, pdf=pdf)

    async def run() -> None:
        nonlocal pause
        async with Batcher(engine, watch=lambda batch: seen.append((len(batch.flux), batch.requests))) as batcher:
            await batcher.submit(spectra(0, 1), alone=True)  # its speed is not known yet
            assert (await batcher.submit(spectra(1, 1), alone=True)).redshift.tolist() == [1]
            await batcher.submit(spectra(2, 2), alone=True)
            await batcher.submit(spectra(4, 1))
            await batcher.submit(spectra(5, 1), alone=True)  # another request came a moment ago
            assert threads == ["there", "here", "there", "there", "there"]
            await asyncio.sleep(0.3)
            await batcher.submit(spectra(6, 1), alone=True)
            assert threads[5:] == ["here"]
            pause = 1.0
            await asyncio.gather(*(batcher.submit(spectra(number, 1)) for number in range(2)))
            await asyncio.sleep(0.3)
            await batcher.submit(spectra(4, 1), alone=True)  # it has become slow
            assert "here" not in threads[6:]
        assert seen[:5] == [(1, 1), (1, 1), (2, 1), (1, 1), (1, 1)]

    asyncio.run(run())


def test_a_lone_row_that_fails_tells_its_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.batcher._HERE_SECONDS", 0.5)

    async def run() -> None:
        async with Batcher(unlucky) as batcher:
            await batcher.submit(spectra(0, 1), alone=True)
            with pytest.raises(RuntimeError, match="out of memory"):
                await batcher.submit(spectra(13, 1), alone=True)
            assert (await batcher.submit(spectra(1, 1), alone=True)).redshift.tolist() == [1]
            assert batcher.queued_rows == 0

    asyncio.run(run())


def test_the_event_loop_stays_free_while_the_network_works() -> None:
    def slow(flux: FloatArray, priors: Sequence[tuple[int, Prior]], *, pdf: bool) -> Redshifts:
        time.sleep(0.3)
        return first_flux(flux, priors, pdf=pdf)

    async def run() -> None:
        async with Batcher(slow) as batcher:
            task = asyncio.create_task(batcher.submit(spectra(0, 1)))
            started = time.perf_counter()
            await asyncio.sleep(0.01)
            assert time.perf_counter() - started < 0.2
            await task

    asyncio.run(run())
