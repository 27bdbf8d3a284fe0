"""What ends a job, what interrupts it, and that nothing is lost or there twice afterwards."""

import json
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.errors import DatabaseUnavailableError
from app.jobs import work, worker
from app.jobs.files import Files
from app.jobs.queue import Lease
from app.jobs.worker import Worker
from tests.app.jobs.interruption import Interrupted, interrupt_after
from tests.app.jobs.owner import PART, Owner, table
from tests.waiting import PATIENCE, wait_until

Start = Callable[..., Owner]
pytestmark = pytest.mark.usefixtures("small_parts")


def test_what_is_done_is_not_done_again(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.jobs.table.PART_ROWS", 4096)  # as long as the blocks that are read
    content = table(4096 * 3 + 5)
    job = owner.send(content, format="csv")
    with monkeypatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(Interrupted):
            owner.worker.work_once()
    interrupted = owner.job(job)
    assert (interrupted["phase"], interrupted["progress"]["rows_done"]) == ("EXECUTING", 8192)
    assert interrupted["quote"] > interrupted["start_time"]
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


def test_a_replaced_holder_cannot_write(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    content = table(PART * 3)
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
    assert owner.job(job)["progress"]["rows_done"] == PART * 3
    assert owner.result(job) == owner.predicted(content, format="csv")


@pytest.mark.parametrize("destroyed", [True, False])
def test_a_job_that_is_ended_while_it_runs_stops_and_leaves_no_files(
    owner: Owner, monkeypatch: pytest.MonkeyPatch, destroyed: bool
) -> None:
    job = owner.send(table(PART * 3))
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
        assert owner.job(job)["progress"]["rows_done"] == PART


def test_a_row_without_a_redshift_ends_a_strict_job(owner: Owner) -> None:
    job = owner.send(table(PART + 40, unusable=(PART + 4,)), rows="strict")
    assert owner.worker.work_once()
    found = owner.job(job)
    assert found["phase"] == "ERROR"
    assert found["error"]["details"][0]["at"] == f"rows[{PART + 4}]"


def test_a_job_that_takes_too_long_is_aborted(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = owner.send(table(PART * 3), EXECUTIONDURATION=1)
    monkeypatch.setattr(work.Work, "_lap", lambda self: setattr(self, "_spent", self._spent + 0.7) or 0.7)
    assert owner.worker.work_once()
    found = owner.job(job)
    assert found["phase"] == "ABORTED"
    assert "1 s of work" in found["error"]["message"]
    assert found["progress"]["rows_done"] == 2 * PART


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
    content = table(4096 + 3, unusable=(3000,))
    job = owner.send(content, format="csv")
    monkeypatch.setattr("app.jobs.table.PART_ROWS", 4096)
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
    assert sizes == [512] * 8 + [3]
    assert owner.result(job) == owner.predicted(content, format="csv")


def test_a_model_that_is_gone_or_replaced_fails_the_job(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.tiny import write_tiny_bundle

    job = owner.send(table(PART * 2))
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
    content = table(PART * 3)
    job = owner.send(content, format="csv")
    add = Lease.add

    def told(self: Lease, part: Any, **more: Any) -> None:
        add(self, part, **more)
        owner.worker.end()

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "add", told)
        assert owner.worker.work_once()
    assert owner.job(job)["progress"]["rows_done"] == PART
    assert owner.another().work_once(), "nobody has to wait for the lease to end"
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
        hanging._live()
    assert ended == [worker.HUNG]


def test_a_worker_whose_database_does_not_answer_does_not_count_as_hung(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat that waits holds no sign of life back, and a wait longer than a step ends no process."""
    monkeypatch.setattr(worker.os, "_exit", lambda code: pytest.fail(f"it ended itself with {code}"))
    monkeypatch.setattr("app.jobs.database._BUSY_SECONDS", 0.1)
    signs: list[bool] = []
    settings = owner.settings.model_copy(update={"jobs_lease_seconds": 1.0, "jobs_step_seconds": 60.0})
    waiting = Worker(settings, lambda: signs.append(True))
    beating, answered = threading.Event(), threading.Event()
    add, beat = Lease.add, Lease.beat
    lock = sqlite3.connect((settings.jobs_folder or Path()) / "jobs.db", isolation_level=None, check_same_thread=False)

    def late(self: Lease) -> None:
        beating.set()
        answered.wait(PATIENCE)
        beat(self)

    def locked(self: Lease, part: Any, **more: Any) -> None:
        assert beating.wait(PATIENCE)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailableError):
            add(self, part, **more)
        waiting._stepped -= 100
        before = len(signs)
        wait_until(lambda: len(signs) > before + 1, "it lives")
        lock.execute("ROLLBACK")
        add(self, part, **more)

    monkeypatch.setattr(Lease, "beat", late)
    monkeypatch.setattr(Lease, "add", locked)
    job = owner.send(table(3))
    thread = threading.Thread(target=waiting.run)
    thread.start()
    wait_until(lambda: owner.job(job)["phase"] == "COMPLETED", "the job is over", every=0.1)
    answered.set()
    waiting.end()
    thread.join()
    waiting.close()
    lock.close()


def test_an_unexpected_error_fails_the_job_and_not_the_worker(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    job = owner.send(table(3))
    with monkeypatch.context() as patch:
        patch.setattr(work, "beside", lambda *_: json.loads("{"))
        assert owner.worker.work_once()
    assert owner.job(job)["error"]["code"] == "job_failed"
    other = owner.send(table(3))
    assert owner.worker.work_once()
    assert owner.job(other)["phase"] == "COMPLETED"
