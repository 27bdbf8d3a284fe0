"""A run over good and damaged files: each failure costs its file, and all else is what it would be alone."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.bulk.outcome import NOTE
from gaia_redshift.bulk.plan import Shard
from gaia_redshift.bulk.run import Run, run
from gaia_redshift.errors import RedshiftError
from tests.gaia_redshift.bulk.files import (
    FIRST_ID,
    archive_rows,
    flip_bit,
    here,
    outputs,
    predicting,
    write_archive,
    write_spectra,
)
from tests.small_disk import small_disk


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """Return a folder with a good file of each kind and one of each damage."""
    folder = tmp_path / "in"
    for number in range(3):
        write_spectra(folder / f"good-{number}.parquet", 1500, number)
    write_archive(folder / "archive.csv.gz", archive_rows(40, 7))
    damage(folder)
    return folder


def damage(folder: Path) -> None:
    """Add a file of each damage."""
    cut = write_spectra(folder / "cut.parquet", 300, 4)
    cut.write_bytes(cut.read_bytes()[:-20])
    page = write_spectra(folder / "page.parquet", 3000, 5)
    content = bytearray(page.read_bytes())
    content[2_000_000:2_000_400] = bytes(400)
    page.write_bytes(content)
    # In the checksum after the last row: all rows are read before it is found.
    bit = write_archive(folder / "bit.csv.gz", archive_rows(30, 8))
    flip_bit(bit, bit.stat().st_size - 7)
    middle = write_archive(folder / "middle.csv.gz", archive_rows(30, 9))
    flip_bit(middle, middle.stat().st_size // 2)
    other = pyarrow.table({"source_id": [1, 2], "flux": [[1.0] * 7, [2.0] * 7], "ra": [0.0, 1.0]})
    parquet.write_table(other, folder / "schema.parquet")
    parquet.write_table(pyarrow.table({"source_id": [1, 2], "magnitude": [20.0, 21.0]}), folder / "spectraless.parquet")


GOOD = {"good-0", "good-1", "good-2", "archive"}
DAMAGED = {"cut", "page", "bit", "middle", "spectraless"}


def test_each_damaged_file_fails_alone_and_the_others_are_as_they_would_be_alone(
    tmp_path: Path, inputs: Path, models: Path
) -> None:
    task = predicting(models)
    made = run(task, [str(inputs)], str(tmp_path / "out"), here)
    assert {job.name.removesuffix(".parquet") for job, _ in made.failures} == DAMAGED
    assert {failure.code for _, failure in made.failures} <= {"malformed_body", "invalid_table"}
    assert made.rows == 3 * 1500 + 40 + 2
    assert made.failed_rows == 2  # arrays of another length: each a problem of its row
    assert {name.removesuffix(".parquet") for name in outputs(tmp_path / "out")} == GOOD | {"schema"}
    assert not [path for path in (tmp_path / "out").rglob("*") if path.name.endswith(".part")]
    for name in ("good-0.parquet", "archive.csv.gz"):
        run(task, [str(inputs / name)], str(tmp_path / "alone"), here)
    for name, content in outputs(tmp_path / "alone").items():
        assert (tmp_path / "out" / name).read_bytes() == content
    rows = parquet.read_table(tmp_path / "out" / "good-1.parquet")
    assert rows["source_id"].to_pylist() == [FIRST_ID + 10**6 + row for row in range(1500)]
    said = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert said["settings"]["model_sha256"] == task.model[1]
    assert {file["output"].removesuffix(".parquet") for file in said["files"] if file["status"] == "failed"} == DAMAGED
    assert said["rows"] == made.rows
    page = (tmp_path / "out" / "summary.html").read_text()
    assert "5 files without an output" in page
    assert "<svg" in page


def test_the_same_run_again_does_what_failed_and_nothing_else(tmp_path: Path, inputs: Path, models: Path) -> None:
    task = predicting(models)
    first = run(task, [str(inputs)], str(tmp_path / "out"), here)
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    assert not first.earlier
    write_spectra(inputs / "cut.parquet", 300, 4)
    orphan = tmp_path / "out" / ".cut.parquet.1-ab.part"
    foreign = tmp_path / "out" / ".else.parquet.1-ab.part"
    for path in (orphan, foreign):
        path.write_bytes(b"PAR1")
    again = run(task, [str(inputs)], str(tmp_path / "out"), here)
    assert (again.swept, orphan.exists(), foreign.exists()) == (1, False, True)
    assert {name.removesuffix(".parquet") for name in again.earlier} == GOOD | {"schema"}
    assert {job.name.removesuffix(".parquet") for job, _ in again.failures} == DAMAGED - {"cut"}
    assert again.rows == first.rows + 300
    after = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.parquet")}
    assert {name for name in after if after[name] != before.get(name)} == {"cut.parquet"}


def test_an_input_that_changed_is_done_again_and_an_output_that_was_damaged_too(tmp_path: Path, models: Path) -> None:
    folder = tmp_path / "in"
    for number in range(3):
        write_spectra(folder / f"{number}.parquet", 20, number)
    task = predicting(models)
    run(task, [str(folder)], str(tmp_path / "out"), here)
    before = outputs(tmp_path / "out")
    write_spectra(folder / "0.parquet", 21, 0)
    (tmp_path / "out" / "1.parquet").write_bytes(before["1.parquet"][:-9])
    again = run(task, [str(folder)], str(tmp_path / "out"), here)
    assert again.earlier == {"2.parquet"}
    assert again.rows == 61
    assert outputs(tmp_path / "out")["1.parquet"] == before["1.parquet"]


def test_outputs_of_other_settings_and_of_others_are_left_alone(tmp_path: Path, models: Path) -> None:
    source = write_spectra(tmp_path / "in" / "a.parquet", 10)
    run(predicting(models), [str(source)], str(tmp_path / "out"), here)
    before = outputs(tmp_path / "out")
    with pytest.raises(RedshiftError, match="made with other settings") as other:
        run(predicting(models, unit="per_pixel"), [str(source)], str(tmp_path / "out"), here)
    assert [(detail.at, detail.message) for detail in other.value.details] == [
        ("unit", "per_sample there, per_pixel here")
    ]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.parquet").write_bytes(source.read_bytes())
    with pytest.raises(RedshiftError, match="was not made by this command"):
        run(predicting(models), [str(source)], str(tmp_path / "mine"), here)
    assert outputs(tmp_path / "out") == before


def test_shards_do_each_file_once_and_a_last_run_counts_them_all(tmp_path: Path, models: Path) -> None:
    for number in range(5):
        write_spectra(tmp_path / "in" / "deep" / f"{number}.parquet", 20, number)
    task, out = predicting(models), str(tmp_path / "out")
    parts = [run(task, [str(tmp_path / "in")], out, here, shard=Shard(number, 3)) for number in range(3)]
    assert sorted(job.name for part in parts for job in part.jobs) == [f"deep/{number}.parquet" for number in range(5)]
    assert sorted(path.name for path in Path(out).glob("manifest*")) == [f"manifest-{n}-of-3.json" for n in range(3)]
    whole = run(task, [str(tmp_path / "in")], out, here)
    assert (len(whole.earlier), whole.rows) == (5, 100)
    run(task, [str(tmp_path / "in")], str(tmp_path / "one"), here)
    assert outputs(tmp_path / "one") == outputs(tmp_path / "out")


def test_a_file_that_grows_while_it_is_read_fails(tmp_path: Path, models: Path) -> None:
    source = write_spectra(tmp_path / "a.parquet", 10)

    def late(run: Run) -> None:
        with source.open("ab") as file:
            file.write(b"more")

    made = run(predicting(models), [str(source)], str(tmp_path / "out"), here, begun=late)
    ((_, failure),) = made.failures
    assert failure.code in {"invalid_input", "malformed_body"}
    os.utime(write_spectra(source, 10), ns=(5, 5))
    made = run(predicting(models), [str(source)], str(tmp_path / "out"), here, begun=lambda _: os.utime(source))
    ((_, failure),) = made.failures
    assert "changed while it was read" in failure.message


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 128 kB."""
    with small_disk(tmp_path / "disk", "128k") as folder:
        yield folder


def test_a_full_disk_costs_the_files_that_have_no_room_and_leaves_no_halves(
    tmp_path: Path, models: Path, disk: Path
) -> None:
    for number, rows in enumerate((100, 30_000, 100)):
        write_spectra(tmp_path / "in" / f"{number}.parquet", rows, number)
    task = predicting(models)
    made = run(task, [str(tmp_path / "in")], str(disk), here)
    ((job, failure),) = made.failures
    assert (job.name, failure.code, failure.message) == ("1.parquet", "storage_refused", "No space left on device")
    assert set(outputs(disk)) == {"0.parquet", "2.parquet"}
    again = run(task, [str(tmp_path / "in")], str(tmp_path / "out"), here)
    assert not again.failures
    assert {name: outputs(tmp_path / "out")[name] for name in ("0.parquet", "2.parquet")} == outputs(disk)


def test_the_note_in_an_output_tells_nothing_of_when_or_where(tmp_path: Path, models: Path) -> None:
    source = write_spectra(tmp_path / "a.parquet", 10)
    run(predicting(models), [str(source)], str(tmp_path / "out"), here)
    metadata = parquet.read_metadata(tmp_path / "out" / "a.parquet").metadata
    said = json.loads(metadata[NOTE])
    assert set(said) == {"input", "size", "tag", "settings", "rows", "failed", "named", "redshifts", "flags"}
    assert str(tmp_path) not in metadata[NOTE].decode()
