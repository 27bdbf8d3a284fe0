import asyncio
import io

import pytest

from app.serving.turns import Turns


def most_at_once(sizes: list[int], workers: int = 1) -> tuple[int, list[int]]:
    """Read tables of these sizes; return how many were read at once, and the order in which they began."""

    async def run() -> tuple[int, list[int]]:
        turns, now, most = Turns(workers), 0, 0
        begun: list[int] = []

        async def read(number: int, size: int) -> None:
            nonlocal now, most
            async with turns.turn_of(io.BytesIO(b"a" * size)):
                begun.append(number)
                now += 1
                most = max(most, now)
                for _ in range(3):
                    await asyncio.sleep(0)
                now -= 1

        await asyncio.gather(*(read(number, size) for number, size in enumerate(sizes)))
        return most, begun

    return asyncio.run(run())


@pytest.mark.parametrize(("size", "workers", "most"), [(100_000, 1, 6), (100, 1, 24), (100_000, 2, 3), (100_000, 9, 2)])
def test_so_many_tables_are_read_at_once_in_the_order_in_which_they_came(size: int, workers: int, most: int) -> None:
    assert most_at_once([size] * 50, workers) == (most, list(range(50)))


def test_small_tables_do_not_wait_for_large_ones() -> None:
    _, begun = most_at_once([100_000] * 20 + [100] * 5)
    assert begun[6:11] == [20, 21, 22, 23, 24]


def test_a_table_is_read_from_its_start() -> None:
    async def run() -> bytes:
        file = io.BytesIO(b"table")
        file.seek(3)
        async with Turns(1).turn_of(file):
            return file.read()

    assert asyncio.run(run()) == b"table"
