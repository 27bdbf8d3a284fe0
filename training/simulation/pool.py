"""The same work for many numbers, over as many processes as wanted, in order."""

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_order(work: Callable[[int], Result], count: int, workers: int) -> Iterator[Result]:
    """Yield the results for 0 to `count` - 1, in order; at most two per worker wait in memory.

    Even one worker is a process of its own: its matrix products run on one thread, as all workers' do, so the order of
    summation, and with it every last digit, is the same for any number of workers.
    """
    saved = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    try:
        with ProcessPoolExecutor(min(workers, count), multiprocessing.get_context("spawn")) as pool:
            waiting: deque[Future[Result]] = deque()
            for index in range(count):
                waiting.append(pool.submit(work, index))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    finally:
        for name, value in saved.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
