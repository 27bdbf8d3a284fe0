"""Processes that work on jobs, and are replaced."""

import multiprocessing
import random
import time
from collections.abc import Callable
from functools import partial

import pytest

from app.jobs.keeper import Keeper
from app.settings import Settings
from tests.app.jobs.owner import Owner, table
from tests.waiting import wait_until

Start = Callable[..., Owner]


def test_processes_that_are_killed_at_random_moments_lose_nothing(
    start_jobs: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make jobs-test` does it fifty times, with the whole service."""
    monkeypatch.setattr("app.jobs.keeper._AGAIN_SECONDS", 0.05)
    owner = start_jobs(jobs_workers=1)
    rows = 4096 * 12 + 7
    content = table(rows)
    job = owner.send(content, format="csv")
    chance = random.Random(5)  # noqa: S311 - moments, not secrets

    def further(before: int) -> bool:
        """Return whether more rows are done, or the job is over."""
        found = owner.job(job)
        return found["progress"]["rows_done"] > before or found["phase"] not in {"QUEUED", "EXECUTING"}

    def killed() -> bool:
        """Kill the process, and return whether there was one; it may just be replaced."""
        process = keeper._kept[0]._process
        if process.is_alive():
            process.kill()
            return True
        return False

    keeper = Keeper(owner.settings)
    keeper._context = multiprocessing.get_context("forkserver")
    keeper._context.set_forkserver_preload(["app.jobs.worker", "onnxruntime"])  # each process has its modules at once
    keeper.start()
    try:
        seen = 0
        for _ in range(3):
            # More frequent requests would delay the start of the process.
            wait_until(partial(further, seen), "a part is done", every=0.1)
            time.sleep(chance.uniform(0, 0.1))
            seen = owner.job(job)["progress"]["rows_done"]
            wait_until(killed, "a process was killed")
            assert owner.job(job)["progress"]["rows_done"] >= seen
        wait_until(partial(further, rows), "the job is over", 300, every=0.5)
    finally:
        keeper.stop()
    assert not multiprocessing.active_children()
    assert owner.job(job)["phase"] == "COMPLETED", owner.job(job)
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_process_that_cannot_be_started_is_tried_again(
    jobs_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.keeper._AGAIN_SECONDS", 0.0)
    started: list[bool] = []

    class Process:
        exitcode, pid = 0, None

        def __init__(self, **_: object) -> None:
            """Take what a process is made with."""

        def start(self) -> None:
            started.append(True)
            if len(started) == 2:
                raise BlockingIOError(11, "Resource temporarily unavailable")

        def is_alive(self) -> bool:
            return len(started) == 3

        def join(self, _seconds: float | None = None) -> None:
            """Have ended."""

    keeper = Keeper(jobs_settings)
    monkeypatch.setattr(type(keeper._context), "Process", Process)
    keeper.start()
    wait_until(lambda: len(started) == 3, "it was tried again")
    assert keeper._thread.is_alive()
    monkeypatch.setattr(Process, "is_alive", lambda _self: False)
    keeper._stopping.set()
    keeper.stop()
