"""Makes redshifts of the outputs of many small requests at once. Imports `redshift` and `spectra` of the project.

The batcher answers all requests of a batch in one turn of the event loop. Interpreting them one by one would cost a
hundred calls of NumPy for each; together it costs them once.
"""

import asyncio
from collections.abc import Callable

import numpy as np

from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import FloatArray


class Together:
    """Gathers what comes within one turn of the event loop.

    Parameters
    ----------
    interpret : callable
        Outputs of shape (n, width) and fluxes of shape (n, 186) to redshifts, each row by itself.
    most_rows : int
        Rows at a time, but for a single larger request: more would hold up the event loop.
    """

    def __init__(self, interpret: Callable[[FloatArray, FloatArray], Redshifts], most_rows: int = 256) -> None:
        self._interpret, self._most_rows = interpret, most_rows
        self._waiting: list[tuple[FloatArray, FloatArray, asyncio.Future[Redshifts]]] = []

    async def __call__(self, output: FloatArray, flux: FloatArray) -> Redshifts:
        """Return the redshifts of these rows."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._work)
        reply: asyncio.Future[Redshifts] = loop.create_future()
        self._waiting.append((output, flux, reply))
        return await reply

    def _work(self) -> None:
        count, rows = 0, 0
        for output, _, _ in self._waiting:
            rows += len(output)
            if count and rows > self._most_rows:
                asyncio.get_running_loop().call_soon(self._work)
                break
            count += 1
        waiting, self._waiting = self._waiting[:count], self._waiting[count:]
        outputs, fluxes, replies = zip(*waiting, strict=True)
        try:
            redshifts = self._interpret(_join(outputs), _join(fluxes))
        except Exception as error:  # whatever fails, its clients must hear of it
            for reply in replies:
                if not reply.done():
                    reply.set_exception(error)
            return
        start = 0
        for output, reply in zip(outputs, replies, strict=True):
            stop = start + len(output)
            if not reply.done():
                reply.set_result(redshifts.part(slice(start, stop)))
            start = stop


def _join(arrays: tuple[FloatArray, ...]) -> FloatArray:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
