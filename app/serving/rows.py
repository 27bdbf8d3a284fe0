"""The rows of a table, answered block by block, and how many of them may have no redshift.

Imports `sample`, `registry`, `wire`, `errors` and the library.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial

from app.errors import BodyTooLargeError
from app.serving.registry import Model
from app.serving.sample import in_thread
from app.wire.uploads import read_part
from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.spectra import SpectrumBatch

MOST_WITHOUT = 100_000
"""Rows without a redshift that are answered one by one, if they are most rows of a table: three bytes of a row that
holds nothing make 180 of an answer, and 900,000 of them took a core for a minute."""
_EXAMPLES = 5


def refuse_many(rows: int, most: int) -> None:
    """Raise BodyTooLargeError if a table has more than `most` rows."""
    if rows > most:
        raise BodyTooLargeError(f"the table has more than {most} rows: split it, or raise the limit")


class RowCount:
    """Counts the rows of one table.

    Parameters
    ----------
    most : int
        Rows allowed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self.rows = 0
        self._answered = self._without = 0
        self._examples: list[Detail] = []

    def read(self, rows: int) -> None:
        """Count rows that were read; raises BodyTooLargeError if there are too many."""
        self.rows += rows
        refuse_many(self.rows, self._most)

    def answer(self, predictions: Predictions) -> None:
        """Count answers, in the order of their rows; raises InvalidTableError where hardly one has a redshift."""
        for row, problem in list(predictions.problems.items())[: _EXAMPLES - len(self._examples)]:
            self._examples.append(Detail(f"row {self._answered + row}", f"{problem.code}: {problem.message}"))
        self._answered += len(predictions)
        self._without += len(predictions.problems)
        if self._without > MOST_WITHOUT and 2 * self._without > self._answered:
            raise InvalidTableError(
                f"{self._without} of the first {self._answered} rows hold no usable spectrum: leave these "
                "rows out, or split the table",
                self._examples,
            )


async def answer_blocks(
    blocks: Iterator[SpectrumBatch],
    model: Model,
    asked: AnswerOptions,
    most: int,
    keep: Callable[[SpectrumBatch, Predictions], None],
) -> int:
    """Predict block after block, reading the next while the network works on this one; return the number of rows.

    Only the first block can be refused for want of room: a table that was begun is finished.

    Parameters
    ----------
    blocks : iterator of SpectrumBatch
        Read in threads.
    model : Model
    asked : AnswerOptions
    most : int
        Rows allowed.
    keep : callable
        Called in a thread with each block and its answers.

    Raises
    ------
    BodyTooLargeError, InvalidTableError
        As `RowCount` raises them.
    """
    count = RowCount(most)
    batch = await in_thread(lambda: read_part(lambda: next(blocks, None)))
    while batch is not None:
        patient = count.rows > 0
        count.read(len(batch))
        reading = asyncio.create_task(asyncio.to_thread(read_part, lambda: next(blocks, None)))
        try:
            predictions = await model.predict_merged(batch, asked, patient=patient)
            count.answer(predictions)
            await in_thread(partial(keep, batch, predictions))
        finally:
            # The reader must be done with the file before it is closed, whatever happened here.
            await asyncio.wait([reading])
        batch = reading.result()
    return count.rows
