"""How much is done in one turn of the event loop."""

import asyncio
import time

from app.serving.share import LoopShare

MILLISECONDS = 0.002


def work() -> None:
    """Keep a processor busy."""
    end = time.thread_time() + MILLISECONDS
    while time.thread_time() < end:
        pass


def test_a_crowd_is_served_in_order_and_over_many_turns_of_the_loop() -> None:
    async def run() -> tuple[list[int], list[int]]:
        share, turn = LoopShare(), 0
        order: list[int] = []
        turns: list[int] = []

        async def one(number: int) -> None:
            await share.turn()
            work()
            order.append(number)
            turns.append(turn)

        crowd = [asyncio.create_task(one(number)) for number in range(200)]
        while not all(task.done() for task in crowd):
            await asyncio.sleep(0)
            turn += 1
        return order, turns

    order, turns = asyncio.run(run())
    assert order == list(range(200))
    assert max(turns.count(turn) for turn in set(turns)) <= 6  # of 2 ms each, in 10 ms and the one that was begun


def test_who_leaves_does_not_hold_up_those_behind() -> None:
    async def run() -> list[int]:
        share = LoopShare()
        done: list[int] = []

        async def one(number: int) -> None:
            await share.turn()
            work()
            done.append(number)

        crowd = [asyncio.create_task(one(number)) for number in range(100)]
        for _ in range(4):
            await asyncio.sleep(0)
        for task in crowd[:90]:
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*crowd, return_exceptions=True), 10)
        return done

    assert asyncio.run(run())[-10:] == list(range(90, 100))


def test_a_single_one_does_not_wait() -> None:
    async def run() -> float:
        share = LoopShare()
        for _ in range(10):
            await share.turn()
            await asyncio.sleep(0)
        return share.waited

    assert asyncio.run(run()) == 0.0
