"""What ends a job, what interrupts it, and that nothing is lost or there twice afterwards."""

import errno
import json
import multiprocessing
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import DatabaseUnavailableError
from app.jobs import work, worker
from app.jobs.files import Files
from app.jobs.keeper import Keeper
from app.jobs.queue import Lease
from app.jobs.worker import Worker
from tests.app.jobs.owner import Owner, table
from tests.reliability.postgresql import Cluster, find_postgresql

Start = Callable[..., Owner]
PATIENCE = 60.0
"""Seconds that a busy machine may take."""


def until(true: Callable[[], bool], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Interrupted(BaseException):
    """What ends a worker in the middle of something, as a signal that nobody catches."""


def interrupt_after(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """Let the worker end after so many parts are entered."""
    add = Lease.add
    left = [parts]

    def counted(self: Lease, part: Any, **more: Any) -> None:
        if not left[0]:
            raise Interrupted
        left[0] -= 1
        add(self, part, **more)

    monkeypatch.setattr(Lease, "add", counted)


def test_what_is_done_is_not_done_again(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(4096 * 3 + 5)
    job = owner.send(content, format="csv")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            owner.worker.work_once()
    interrupted = owner.job(job)
    assert (interrupted["phase"], interrupted["progress"]["rows_done"]) == ("EXECUTING", 8192)
    predicted: list[int] = []
    real = work.Predictor.predict

    def counted(self: Any, batch: Any, asked: Any) -> Any:
        predicted.append(len(batch))
        return real(self, batch, asked)

    monkeypatch.setattr(work.Predictor, "predict", counted)
    next_one = owner.another()
    monkeypatch.setattr("app.jobs.queue.is_gone", lambda _holder: True)
    assert next_one.work_once()
    assert sum(predicted) == 4096 + 5
    assert owner.job(job)["phase"] == "COMPLETED"
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_holder_that_was_replaced_can_enter_nothing(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(4096 * 3)
    job = owner.send(content, format="csv")
    late, other = owner.another(), owner.another()
    monkeypatch.setattr("app.jobs.queue.is_gone", lambda _holder: True)
    put = Files.put
    done: list[bool] = []

    def overtaken(self: Files, id: str, name: str, content: bytes) -> None:  # noqa: A002 - as it is called
        """Let another worker take the job and end it, while this one writes its second part."""
        if name.startswith("parts/000001") and not done:
            done.append(True)
            assert other.work_once()
        put(self, id, name, content)

    monkeypatch.setattr(Files, "put", overtaken)
    assert late.work_once()
    assert done
    assert owner.job(job)["progress"]["rows_done"] == 4096 * 3
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_two_workers_never_take_the_same_job(owner: Owner) -> None:
    jobs = [owner.send(table(3, seed=number)) for number in range(12)]
    taken: list[str] = []
    barrier = threading.Barrier(4)

    def take() -> None:
        queue = owner.another()._queue
        barrier.wait()
        while (lease := queue.take()) is not None:
            taken.append(lease.job.id)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == sorted(jobs)


@pytest.mark.parametrize("destroyed", [True, False])
def test_a_job_that_is_ended_while_it_runs_stops_and_leaves_no_files(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, destroyed: bool
) -> None:
    job = owner.send(table(4096 * 3))
    add = Lease.add

    def ended(self: Lease, part: Any, **more: Any) -> None:
        if part.number == 1:
            if destroyed:
                assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204
            else:
                assert owner.ask("POST", f"/jobs/{job}/phase?PHASE=ABORT").status_code == 200
        add(self, part, **more)

    monkeypatch.setattr(Lease, "add", ended)
    assert owner.worker.work_once()
    assert not owner.worker.work_once()
    folder = (owner.settings.jobs_folder or Path()) / "files" / job
    if destroyed:
        assert owner.code(owner.ask("GET", f"/jobs/{job}")) == (404, "unknown_job")
        assert not folder.exists()
    else:
        assert owner.job(job)["phase"] == "ABORTED"
        assert owner.job(job)["progress"]["rows_done"] == 4096


def test_a_full_disk_makes_a_job_wait_and_not_fail(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(4096 * 2)
    job = owner.send(content, format="csv")
    put = Files.put

    def full(self: Files, id: str, name: str, content: bytes) -> None:  # noqa: A002 - as it is called
        if name.startswith("parts/000001"):
            raise OSError(errno.ENOSPC, "No space left on device")
        put(self, id, name, content)

    with monkeypatch.context() as patch:
        patch.setattr(Files, "put", full)
        assert owner.worker.work_once()
    assert owner.job(job)["phase"] == "EXECUTING"
    assert not owner.worker.work_once(), "it is left alone for a while"
    owner.worker._full.clear()
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_database_that_is_away_is_waited_for(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(4096 * 2)
    job = owner.send(content, format="csv")
    monkeypatch.setattr("app.jobs.database._BUSY_SECONDS", 0.1)
    locked = owner.another()
    add = Lease.add
    other = sqlite3.connect(
        (owner.settings.jobs_folder or Path()) / "jobs.db", isolation_level=None, check_same_thread=False
    )
    tries: list[bool] = []
    monkeypatch.setattr("app.jobs.patience._LONGEST", 0.1)

    def away(self: Lease, part: Any, **more: Any) -> None:
        if not tries:
            other.execute("BEGIN IMMEDIATE")
        tries.append(True)
        if len(tries) == 3:
            other.execute("ROLLBACK")
        add(self, part, **more)

    monkeypatch.setattr(Lease, "add", away)
    assert locked.work_once()
    assert len(tries) > 3
    assert owner.job(job)["phase"] == "COMPLETED"
    assert owner.result(job) == owner.predicted(content, format="csv")
    other.close()


def test_a_request_to_a_locked_database_is_told_so_and_predictions_go_on(
    start_jobs: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.database._BUSY_SECONDS", 0.1)
    owner = start_jobs()
    other = sqlite3.connect((owner.settings.jobs_folder or Path()) / "jobs.db", isolation_level=None)
    job = owner.send(table(2))
    other.execute("BEGIN IMMEDIATE")
    refused = owner.ask("POST", f"/jobs/{job}/phase?PHASE=ABORT")
    assert owner.code(refused) == (503, "database_unavailable")
    assert refused.headers["retry-after"]
    assert owner.job(job)["phase"] == "QUEUED"
    assert owner.predicted(table(2))
    other.close()


def test_a_row_without_a_redshift_ends_a_strict_job(owner: Owner) -> None:
    job = owner.send(table(5000, unusable=(4500,)), rows="strict")
    assert owner.worker.work_once()
    found = owner.job(job)
    assert found["phase"] == "ERROR"
    assert found["error"]["details"][0]["at"] == "rows[4500]"


def test_a_job_that_takes_too_long_is_aborted(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = owner.send(table(4096 * 3), EXECUTIONDURATION=1)
    monkeypatch.setattr(work.Work, "_lap", lambda self: setattr(self, "_spent", self._spent + 0.7) or 0.7)
    assert owner.worker.work_once()
    found = owner.job(job)
    assert found["phase"] == "ABORTED"
    assert "1 s of work" in found["error"]["message"]
    assert found["progress"]["rows_done"] == 8192


def test_a_job_that_ends_its_processes_time_and_again_fails(start_jobs: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = start_jobs(jobs_attempts=3)
    job = owner.send(table(10))
    monkeypatch.setattr("app.jobs.queue.is_gone", lambda _holder: True)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0)
        for _ in range(3):
            with pytest.raises(Interrupted):
                owner.worker.work_once()
    assert owner.worker.work_once()
    assert owner.job(job)["error"]["code"] == "job_failed"


def test_parts_become_smaller_where_processes_end_over_them(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(4096 * 2 + 3, unusable=(3000,))
    job = owner.send(content, format="csv")
    monkeypatch.setattr("app.jobs.queue.is_gone", lambda _holder: True)
    with monkeypatch.context() as patch:
        interrupt_after(patch, 0)
        for _ in range(3):
            with pytest.raises(Interrupted):
                owner.worker.work_once()
    sizes: list[int] = []
    add = Lease.add

    def seen(self: Lease, part: Any, **more: Any) -> None:
        sizes.append(part.rows)
        add(self, part, **more)

    monkeypatch.setattr(Lease, "add", seen)
    assert owner.worker.work_once()
    assert sizes == [512] * 16 + [3]
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_model_that_is_gone_or_replaced_fails_the_job(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny import write_tiny_bundle

    job = owner.send(table(4096 * 2))
    with monkeypatch.context() as patch:
        interrupt_after(patch, 1)
        with pytest.raises(Interrupted):
            owner.worker.work_once()
    (owner.settings.models / "tiny").rename(owner.settings.models.parent / "old")
    write_tiny_bundle(owner.settings.models / "tiny", layers=1)
    monkeypatch.setattr("app.jobs.queue.is_gone", lambda _holder: True)
    assert owner.worker.work_once()
    assert "replaced by a different model" in owner.job(job)["error"]["message"]
    (owner.settings.models / "tiny").rename(owner.settings.models.parent / "older")
    other = owner.send(table(3))
    assert owner.worker.work_once()
    assert "cannot be loaded" in owner.job(other)["error"]["message"]


def test_a_worker_that_is_told_to_end_leaves_its_job_after_the_part(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = table(4096 * 3)
    job = owner.send(content, format="csv")
    add = Lease.add

    def told(self: Lease, part: Any, **more: Any) -> None:
        add(self, part, **more)
        owner.worker.end()

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "add", told)
        assert owner.worker.work_once()
    assert owner.job(job)["progress"]["rows_done"] == 4096
    assert owner.another().work_once(), "nobody has to wait for the lease to end"
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_files_may_lie_at_any_address_of_fsspec(start_jobs: Start) -> None:
    owner = start_jobs(jobs_files="memory://jobs-of-tests")
    content = table(5000, unusable=(3,))
    job = owner.send(content, format="csv")
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, format="csv")
    assert owner.ask("GET", f"/jobs/{job}/rows?limit=1&sort=-row").json()["rows"][0]["row"] == 4999
    assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204
    assert owner.worker._files.jobs() == set()


def test_processes_that_are_killed_at_random_moments_lose_nothing(
    start_jobs: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make jobs-test` does it fifty times, with the whole service."""
    monkeypatch.setattr("app.jobs.keeper._AGAIN_SECONDS", 0.05)
    owner = start_jobs(jobs_workers=1)
    content = table(4096 * 12 + 7)
    job = owner.send(content, format="csv")
    chance = random.Random(5)  # noqa: S311 - moments, not secrets

    def over() -> bool:
        return owner.job(job)["phase"] not in {"QUEUED", "EXECUTING"}

    keeper = Keeper(owner.settings)
    keeper.start()
    try:
        seen = 0
        for _ in range(3):
            until(lambda before=seen: owner.job(job)["progress"]["rows_done"] > before or over())  # type: ignore[misc]
            time.sleep(chance.uniform(0, 0.1))
            seen = owner.job(job)["progress"]["rows_done"]
            keeper._kept[0]._process.kill()
            assert owner.job(job)["progress"]["rows_done"] >= seen
        until(over)
    finally:
        keeper.stop()
    assert not multiprocessing.active_children()
    assert owner.job(job)["phase"] == "COMPLETED", owner.job(job)
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_worker_that_hangs_ends_itself(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []

    def end(code: int) -> None:
        ended.append(code)
        raise SystemExit

    monkeypatch.setattr(worker.os, "_exit", end)
    hanging = Worker(owner.settings.model_copy(update={"jobs_step_seconds": 1.0, "jobs_lease_seconds": 1.0}))
    hanging._stepped -= 5
    with pytest.raises(SystemExit):
        hanging._beat()
    assert ended == [worker.HUNG]


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    binaries = find_postgresql()
    if binaries is None:
        pytest.skip("needs a PostgreSQL: apt-get install postgresql")
    with Cluster(tmp_path_factory.mktemp("postgresql") / "cluster", binaries) as cluster:
        yield cluster


def test_jobs_in_postgresql_are_as_those_in_sqlite(postgresql: Cluster, start_jobs: Start) -> None:
    owner = start_jobs(jobs_database=postgresql.url)
    content = table(4096 * 2, unusable=(5,))
    job = owner.send(content, format="csv", runid="x")
    assert owner.job(job)["phase"] == "QUEUED"
    assert owner.worker.work_once()
    assert owner.job(job)["progress"] == {"rows_done": 8192, "rows_failed": 1, "rows_total": 8192, "fraction": 1.0}
    assert owner.result(job) == owner.predicted(content, format="csv")
    assert [one["job_id"] for one in owner.ask("GET", "/jobs?PHASE=COMPLETED").json()["jobs"]] == [job]
    test_two_workers_never_take_the_same_job(owner)
    assert "gaia_redshift_jobs{" in owner.client.get("/metrics").text
    again = start_jobs(jobs_database=postgresql.url)
    assert again.job(job)["run_id"] == "x"
    assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204


def test_a_service_starts_without_its_database_and_takes_jobs_when_it_is_there(
    start_jobs: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.jobs.database import Database

    prepare = Database.prepare

    def away(self: Database) -> None:
        raise DatabaseUnavailableError("the jobs' database does not answer: it is away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "prepare", away)
        owner = start_jobs()
        assert owner.client.get("/health/ready").status_code == 200
        assert owner.code(owner.ask("GET", "/jobs")) == (503, "database_unavailable")
    assert Database.prepare is prepare
    assert owner.ask("GET", "/jobs").json() == {"jobs": []}


def test_an_unexpected_error_fails_the_job_and_not_the_worker(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = owner.send(table(3))
    with monkeypatch.context() as patch:
        patch.setattr(work, "beside", lambda *_: json.loads("{"))
        assert owner.worker.work_once()
    assert owner.job(job)["error"]["code"] == "job_failed"
    other = owner.send(table(3))
    assert owner.worker.work_once()
    assert owner.job(other)["phase"] == "COMPLETED"
