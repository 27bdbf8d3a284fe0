"""What is destroyed by itself."""

from pathlib import Path

from tests.app.jobs.owner import Owner, table


def test_a_job_whose_time_is_over_is_destroyed_with_its_files(owner: Owner) -> None:
    kept, due = owner.send(table(3)), owner.send(table(3))
    owner.ask("POST", f"/jobs/{due}/destruction?DESTRUCTION=2026-01-01T00:00:00Z")
    owner.worker._retention.sweep()
    assert owner.code(owner.ask("GET", f"/jobs/{due}")) == (404, "unknown_job")
    assert owner.worker._files.jobs() == {kept}


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
