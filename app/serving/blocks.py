"""Predicting an uploaded table, block by block. Imports `registry`, `sample`, `wire` and the library."""

import asyncio
from collections.abc import Callable, Iterator

from app.serving.registry import Model
from app.serving.sample import in_thread, refuse_many
from app.wire.uploads import read_part
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.spectra import SpectrumBatch


async def predict_blocks(
    blocks: Iterator[SpectrumBatch],
    model: Model,
    asked: AnswerOptions,
    max_rows: int,
    keep: Callable[[SpectrumBatch, Predictions], object],
) -> int:
    """Predict block by block, reading the next while the network works on this one.

    Parameters
    ----------
    blocks : iterator of SpectrumBatch
        Read in threads.
    model : Model
    asked : AnswerOptions
    max_rows : int
        Most rows of the table.
    keep : callable
        Called in a thread with each block and its predictions, in order.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    BodyTooLargeError
        If the table has more than `max_rows` rows.
    OverloadedError
        If the queue is full at the first block; a table that has been started is finished.
    """
    total = 0
    batch = await in_thread(lambda: read_part(lambda: next(blocks, None)))
    while batch is not None:
        patient = total > 0
        total += len(batch)
        refuse_many(total, max_rows)
        reading = asyncio.create_task(asyncio.to_thread(read_part, lambda: next(blocks, None)))
        try:
            predictions = await model.predict_merged(batch, asked, patient=patient)
            done = batch
            await in_thread(lambda: keep(done, predictions))  # noqa: B023 - awaited at once
        finally:
            # The reader must have finished with the file before it is closed, also after an error.
            await asyncio.wait([reading])
        batch = reading.result()
    return total
