"""Jobs in a database and among files that are shared, full, locked, away or elsewhere."""

import errno
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from app.errors import DatabaseUnavailableError
from app.jobs.database import Database
from app.jobs.files import Files
from app.jobs.queue import Lease
from app.settings import Settings
from gaia_redshift.errors import InvalidTableError
from tests.app.jobs.owner import PART, Owner, table
from tests.reliability.postgresql import Cluster, find_postgresql

Start = Callable[..., Owner]
pytestmark = pytest.mark.usefixtures("small_parts")


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


def test_a_full_disk_makes_a_job_wait_and_not_fail(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(PART * 2)
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


def test_an_unavailable_database_is_waited_for(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(PART * 2)
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


def test_files_may_lie_at_any_address_of_fsspec(start_jobs: Start) -> None:
    """`memory` stands for all that are not disks; S3 needs s3fs, which nobody else here needs."""
    owner = start_jobs(jobs_files="memory://jobs-of-tests")
    content = table(PART + 50, unusable=(3,))
    job = owner.send(content, format="csv")
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, format="csv")
    assert owner.ask("GET", f"/jobs/{job}/rows?limit=1&sort=-row").json()["rows"][0]["row"] == PART + 49
    assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204
    assert owner.worker._files.jobs() == set()
    fsspec.filesystem("memory").rm("/jobs-of-tests", recursive=True)  # as in a store without empty folders
    owner.worker._retention.sweep()
    assert owner.worker._files.jobs() == set()


@pytest.mark.parametrize("said", [RuntimeError("no endpoint"), InvalidTableError("it ends too early")])
def test_an_unavailable_store_makes_a_job_wait_and_not_fail(
    start_jobs: Start, monkeypatch: pytest.MonkeyPatch, said: Exception
) -> None:
    owner = start_jobs(jobs_files="memory://away", jobs_attempts=1)
    store = fsspec.filesystem("memory")
    content = table(PART * 2)
    job = owner.send(content, format="csv")

    def away(*_: object, **__: object) -> None:
        raise said

    for _ in range(3):
        with monkeypatch.context() as patch:
            patch.setattr(Files, "put", away)
            patch.setattr(store, "ls", away)
            assert owner.worker.work_once()
            assert not owner.worker.work_once(), "it is left alone for a while"
        assert owner.job(job)["phase"] == "EXECUTING"
        owner.worker._full.clear()
    assert owner.worker.work_once()
    assert owner.result(job) == owner.predicted(content, format="csv")


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    binaries = find_postgresql()
    if binaries is None:
        pytest.skip("needs a PostgreSQL: apt-get install postgresql")
    with Cluster(binaries) as cluster:
        yield cluster


def test_jobs_in_postgresql_are_as_those_in_sqlite(postgresql: Cluster, start_jobs: Start) -> None:
    owner = start_jobs(jobs_database=postgresql.url)
    content = table(PART * 2, unusable=(5,))
    job = owner.send(content, format="csv", runid="x")
    assert owner.job(job)["phase"] == "QUEUED"
    assert owner.worker.work_once()
    assert owner.job(job)["progress"] == {
        "rows_done": PART * 2, "rows_failed": 1, "rows_total": PART * 2, "fraction": 1.0,
    }  # fmt: skip
    assert owner.result(job) == owner.predicted(content, format="csv")
    assert [one["job_id"] for one in owner.ask("GET", "/jobs?PHASE=COMPLETED").json()["jobs"]] == [job]
    test_two_workers_never_take_the_same_job(owner)
    assert "gaia_redshift_jobs{" in owner.client.get("/metrics").text
    again = start_jobs(jobs_database=postgresql.url)
    assert again.job(job)["run_id"] == "x"
    assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204


def test_a_machine_of_postgresql_that_has_gone_is_noticed_in_seconds(
    postgresql: Cluster, jobs_settings: Settings
) -> None:
    opened = Database(jobs_settings.model_copy(update={"jobs_database": postgresql.url}))
    with opened.read() as connection:
        file = os.dup(connection.connection.driver_connection.fileno())  # type: ignore[union-attr]
        with socket.socket(fileno=file) as wire:
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
            assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    opened.close()


def test_a_service_starts_without_its_database_and_takes_jobs_when_it_is_there(
    start_jobs: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
