"""Running jobs in processes of this machine; if one dies, its file is tried again. Imports its neighbours.

A `ProcessPoolExecutor` is unusable after one of its processes is killed, and does not say which job was running. So
each process has its own executor, which is replaced, and its job is tried again.
"""

import multiprocessing
import os
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for

from gaia_redshift.bulk.job import Task, do
from gaia_redshift.bulk.outcome import Failure, Outcome
from gaia_redshift.bulk.plan import Job

MOST_DEATHS = 3
"""A file is given up after this many processes died on it."""

_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
"""Environment variables of NumPy's libraries: one thread per process."""


def run_here(task: Task, jobs: Sequence[Job], processes: int) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs in so many processes, and yield each with its outcome when it is done.

    Parameters
    ----------
    task : Task
    jobs : sequence of Job
        Begun in this order.
    processes : int
    """
    waiting, deaths = deque(jobs), Counter[str]()
    running: dict[Future[Outcome], tuple[Job, ProcessPoolExecutor]] = {}
    idle: list[ProcessPoolExecutor] = []
    previous = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.popleft()
                executor = idle.pop() if idle else _process()
                try:
                    running[executor.submit(do, task, job)] = job, executor
                except BrokenProcessPool:  # it was killed while idle
                    executor.shutdown(wait=False)
                    waiting.appendleft(job)
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, executor = running.pop(future)
                try:
                    outcome = future.result()
                except BrokenProcessPool:
                    executor.shutdown(wait=False)
                    deaths[job.name] += 1
                    if deaths[job.name] < MOST_DEATHS:
                        waiting.append(job)
                        continue
                    yield job, given_up(f"{MOST_DEATHS} processes died on this file (killed, or out of memory)")
                    continue
                idle.append(executor)
                yield job, outcome
    finally:
        for executor in [*idle, *(one for _, one in running.values())]:
            executor.shutdown(wait=not running, cancel_futures=True)
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def given_up(why: str) -> Outcome:
    """Return the outcome of a job whose workers died."""
    return Outcome(failure=Failure("worker_died", why))


def _process() -> ProcessPoolExecutor:
    # Not forked: the network's threads do not survive that.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)


def _begin() -> None:
    """Make this process end when its parent ends, even by SIGKILL."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)
