"""The redshift distribution of an uploaded sample, before any of it is answered.

Imports `registry`, `wire` and the library.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple, TypeVar

from app.serving.registry import Model
from app.wire.uploads import read_part
from gaia_redshift.interpretation.prior import SamplePrior
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.interpretation.sample import SampleDistribution
from gaia_redshift.spectra import SpectrumBatch

_Result = TypeVar("_Result")


class Distribution(NamedTuple):
    """What was inferred of a sample."""

    model: str
    prior: str
    """Under which the densities held that it was inferred of."""
    rows: int
    """Looked at; those that were used are fewer."""
    found: SampleDistribution


async def in_thread(work: Callable[[], _Result]) -> _Result:
    """Run work in a thread, and wait for its end even if the request is cancelled, since it uses the request's file."""
    task = asyncio.create_task(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    finally:
        await asyncio.wait([task])


async def sample_prior(
    model: Model, blocks: Iterator[SpectrumBatch], check_rows: Callable[[int], None], one_at_a_time: asyncio.Semaphore
) -> SamplePrior:
    """Infer the distribution of all spectra of a table.

    Parameters
    ----------
    model : Model
    blocks : iterator of SpectrumBatch
        Read in threads.
    check_rows : callable
        Called with the number of rows so far; raises if there are too many.
    one_at_a_time : Semaphore
        A sample of 100,000 takes a hundred megabytes while it is gathered.

    Raises
    ------
    InvalidRequestError
        If there are too few galaxies, or their spectra do not constrain the distribution.
    OverloadedError
        If the queue is full at the first block; a table that has been started is finished.
    """
    async with one_at_a_time:
        gathered, asked = model.predictor.likelihoods(), AnswerOptions("flat", pdf=True)
        total = 0
        batch = await in_thread(lambda: read_part(lambda: next(blocks, None)))
        while batch is not None:
            total += len(batch)
            check_rows(total)
            found = (await model.predict_merged(batch, asked, patient=total > len(batch))).redshifts
            if found.pdf is not None:
                gathered.add(found.pdf, found.flags)
            batch = await in_thread(lambda: read_part(lambda: next(blocks, None)))
        return await in_thread(lambda: gathered.infer(replicas=0).prior())


class Inferred:
    """What was inferred of samples that were asked for lately; one is inferred at a time, whoever asks.

    Parameters
    ----------
    most : int
        Samples that are kept; the one that was asked for longest ago goes first.
    """

    def __init__(self, most: int) -> None:
        self._most, self._turn = most, asyncio.Lock()
        self._known: OrderedDict[str, Distribution] = OrderedDict()

    async def get(self, name: str, infer: Callable[[], Awaitable[Distribution]]) -> Distribution:
        """Return what is known of a sample, else what `infer` returns; raises what it raises, and keeps no error."""
        async with self._turn:
            if name not in self._known:
                self._known[name] = await infer()
                if len(self._known) > self._most:
                    self._known.popitem(last=False)
            self._known.move_to_end(name)
            return self._known[name]
