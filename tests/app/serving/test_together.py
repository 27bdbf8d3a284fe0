import asyncio

import numpy as np
import pytest

from app.serving.together import Together
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import FloatArray


def interpret(output: FloatArray, flux: FloatArray) -> Redshifts:
    value = output[:, 0].astype(np.float64)
    if (value < 0).any():
        raise ValueError("below zero")
    quality = [["near_range_edge"] if row % 2 else [] for row in value.astype(int).tolist()]
    return Redshifts(value, value - 1, value + 1, flux[:, 0].astype(np.float64), value + 2, quality)


def rows(start: int, count: int) -> FloatArray:
    return np.arange(start, start + count, dtype=np.float32)[:, None]


def test_what_comes_in_one_turn_is_interpreted_once_and_parted_rightly() -> None:
    calls = []

    def watched(output: FloatArray, flux: FloatArray) -> Redshifts:
        calls.append(len(output))
        return interpret(output, flux)

    async def run() -> list[Redshifts]:
        together = Together(watched)
        sizes = ((0, 1), (10, 3), (20, 2))
        first = await asyncio.gather(*(together(rows(start, count), rows(start, count) + 5) for start, count in sizes))
        return [*first, await together(rows(30, 1), rows(30, 1) + 5)]

    found = asyncio.run(run())
    assert calls == [6, 1]
    assert [part.redshift.tolist() for part in found] == [[0], [10, 11, 12], [20, 21], [30]]
    assert [part.redshift_lower95.tolist() for part in found] == [[5], [15, 16, 17], [25, 26], [35]]
    assert found[1].quality == [[], ["near_range_edge"], []]


def test_a_client_that_leaves_does_not_disturb_the_others() -> None:
    async def run() -> None:
        together = Together(interpret)
        tasks = [asyncio.create_task(together(rows(start, 1), rows(start, 1))) for start in (1, 2, 3)]
        asyncio.get_running_loop().call_soon(tasks[1].cancel)
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[1], asyncio.CancelledError)
        assert [part.redshift.tolist() for part in (found[0], found[2]) if isinstance(part, Redshifts)] == [[1], [3]]

    asyncio.run(run())


def test_what_cannot_be_interpreted_is_told_to_all_whose_rows_were_in_it() -> None:
    async def run() -> None:
        together = Together(interpret)
        found = await asyncio.gather(
            together(rows(1, 1), rows(1, 1)), together(rows(-1, 1), rows(1, 1)), return_exceptions=True
        )
        assert [str(error) for error in found] == ["below zero"] * 2
        with pytest.raises(ValueError, match="below zero"):
            await together(rows(-1, 1), rows(1, 1))
        assert (await together(rows(4, 1), rows(4, 1))).redshift.tolist() == [4]

    asyncio.run(run())


def test_more_rows_than_the_loop_can_bear_are_interpreted_in_turns_that_let_others_in() -> None:
    turns: list[object] = []

    def watched(output: FloatArray, flux: FloatArray) -> Redshifts:
        turns.append(len(output))
        return interpret(output, flux)

    async def run() -> None:
        together = Together(watched, most_rows=4)

        async def other() -> None:
            for _ in range(8):
                turns.append("other")
                await asyncio.sleep(0)

        requests = [together(rows(10 * n, count), rows(0, count)) for n, count in enumerate((2, 2, 3, 9, 1))]
        found = await asyncio.gather(*requests, other())
        assert [len(part.redshift) for part in found[:-1]] == [2, 2, 3, 9, 1]

    asyncio.run(run())
    assert [turn for turn in turns if turn != "other"] == [4, 3, 9, 1]
    assert turns.index(3) - turns.index(4) > 1
