"""Whose rows are next, without a network or a loop that waits."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import groupby

import numpy as np

from app.serving.row_queue import Request, RowQueue, Slice, hand_out
from gaia_redshift.interpretation.result import COLUMNS, Redshifts

Scenario = Callable[[RowQueue], Awaitable[None]]


def request(number: int, rows: int, *, pdf: bool = False) -> Request:
    """Return a request whose rows have its number as their flux."""
    reply: asyncio.Future[Redshifts] = asyncio.get_running_loop().create_future()
    return Request(np.full((rows, 1), number, np.float32), "survey", pdf, reply)


def rows_of(batch: list[Slice]) -> list[tuple[int, int]]:
    """Return the number of each request of a batch and how many of its rows are in it, in their order."""
    numbers = [int(part.request.flux[0, 0]) for part in batch for _ in range(part.start, part.stop)]
    return [(number, len(list(same))) for number, same in groupby(numbers)]


def with_queue(scenario: Scenario, slice_rows: int = 8, batch_rows: int = 32, most_rows: int = 100) -> None:
    async def run() -> None:
        await scenario(RowQueue(slice_rows=slice_rows, batch_rows=batch_rows, most_rows=most_rows))

    asyncio.run(run())


def test_requests_take_turns_of_a_slice_each() -> None:
    async def scenario(queue: RowQueue) -> None:
        for number, rows in enumerate((20, 3, 12)):
            queue.add(request(number, rows))
        assert rows_of(queue.next_batch()) == [(0, 8), (1, 3), (2, 8), (0, 8), (2, 4), (0, 1)]
        assert queue.rows == 3
        assert rows_of(queue.next_batch()) == [(0, 3)]
        assert queue.next_batch() == []

    with_queue(scenario)


def test_a_request_cut_off_by_the_end_of_a_batch_is_first_in_the_next() -> None:
    async def scenario(queue: RowQueue) -> None:
        for number in range(1, 5):
            queue.add(request(number, 50))
        batches = [rows_of(queue.next_batch()) for _ in range(3)]
        assert batches == [[(1, 50), (2, 25)], [(2, 25), (3, 50)], [(4, 50)]]

    with_queue(scenario, slice_rows=64, batch_rows=75)


def test_a_slice_is_no_longer_than_a_batch() -> None:
    async def scenario(queue: RowQueue) -> None:
        queue.add(request(0, 100))
        queue.add(request(1, 1))
        assert [rows_of(queue.next_batch()) for _ in range(2)] == [[(0, 10)], [(1, 1), (0, 9)]]

    with_queue(scenario, slice_rows=1000, batch_rows=10)


def test_a_request_that_leaves_frees_its_rows_and_is_in_no_batch() -> None:
    async def scenario(queue: RowQueue) -> None:
        gone, answered, kept = request(0, 90), request(1, 5), request(2, 5)
        for one in (gone, answered, kept):
            queue.add(one)
        assert queue.full
        queue.leave(gone)
        queue.leave(gone)  # once more does no harm
        answered.reply.cancel()
        assert (queue.rows, queue.full) == (10, False)
        assert rows_of(queue.next_batch()) == [(2, 5)]

    with_queue(scenario)


def test_there_is_room_up_to_the_bound_and_for_any_request_where_none_waits() -> None:
    async def scenario(queue: RowQueue) -> None:
        assert queue.has_room(1000)
        queue.add(request(0, 90))
        assert queue.has_room(10)
        assert not queue.has_room(11)

    with_queue(scenario)


def test_a_request_is_answered_with_the_last_of_its_rows() -> None:
    async def scenario(queue: RowQueue) -> None:
        long, short = request(3, 20, pdf=True), request(4, 4)
        queue.add(long)
        queue.add(short)
        while batch := queue.next_batch():
            assert not long.reply.done()
            flux = np.concatenate([part.request.flux[part.start : part.stop] for part in batch]).astype(np.float64)
            hand_out(batch, Redshifts(flux.repeat(len(COLUMNS), axis=1), np.zeros(len(flux), np.int32), flux))
        assert (await long.reply).redshift.tolist() == [3] * 20
        assert (await short.reply).redshift.tolist() == [4] * 4
        assert len((await long.reply).pdf) == 20  # type: ignore[arg-type]
        assert (await short.reply).pdf is None

    with_queue(scenario, batch_rows=10)
