"""What is destroyed by itself."""

import os
from pathlib import Path

import pytest

from app.jobs.files import Files
from tests.app.jobs.owner import Owner, table


def test_a_job_whose_time_is_over_is_destroyed_with_its_files(owner: Owner) -> None:
    kept, due = owner.send(table(3)), owner.send(table(3))
    owner.ask("POST", f"/jobs/{due}/destruction?DESTRUCTION=2026-01-01T00:00:00Z")
    owner.worker._retention.sweep()
    assert owner.code(owner.ask("GET", f"/jobs/{due}")) == (404, "unknown_job")
    assert owner.worker._files.jobs() == {kept}


def test_a_job_that_is_destroyed_while_a_file_is_written_leaves_the_rest_to_others(
    owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = owner.send(table(3))
    folder = (owner.settings.jobs_folder or Path()) / "files" / job
    rmdir = os.rmdir

    def written(path: str, **more: object) -> None:
        if Path(path).name == job:
            (folder / "late").write_bytes(b"late")
        rmdir(path, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", written)
        assert owner.ask("DELETE", f"/jobs/{job}").status_code == 204
    assert folder.exists()
    owner.worker._retention.remove_orphans(0.0)
    owner.worker._retention.remove_orphans(3600.0)
    assert not folder.exists()


def test_files_that_belong_to_no_job_are_removed_after_an_hour(owner: Owner) -> None:
    job = owner.send(table(3))
    files = (owner.settings.jobs_folder or Path()) / "files"
    (files / "0123456789").mkdir()
    (files / "0123456789" / "input").write_bytes(b"half an upload")
    retention = owner.worker._retention
    retention.remove_orphans(1000.0)
    retention.remove_orphans(4500.0)
    assert owner.worker._files.jobs() == {job, "0123456789"}, "an upload may be on its way"
    retention.remove_orphans(4700.0)
    assert owner.worker._files.jobs() == {job}


def test_a_store_that_cannot_be_listed_ends_no_worker(owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_self: Files) -> set[str]:
        raise PermissionError("the store does not answer")

    due = owner.send(table(3))
    owner.ask("POST", f"/jobs/{due}/destruction?DESTRUCTION=2026-01-01T00:00:00Z")
    monkeypatch.setattr(Files, "jobs", away)
    owner.worker._retention.sweep()
    assert owner.code(owner.ask("GET", f"/jobs/{due}")) == (404, "unknown_job")
