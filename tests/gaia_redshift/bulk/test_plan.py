"""From what a user names to jobs, without a look into any file."""

from pathlib import Path

import pytest

from gaia_redshift.bulk.plan import Shard, find_shard, plan
from gaia_redshift.errors import InvalidInputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    names = [
        "b.csv.gz", "a.parquet", "deep/a.ecsv", "deep/er/x.tar.vot.zst", "_MD5SUM.txt", ".hidden.csv", "note.pdf",
        "out/a.parquet",
    ]  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"no table")
    return tmp_path


def names(inputs: list[object], output: Path, shard: Shard | None = None) -> list[str]:
    return [job.name for job in plan([str(each) for each in inputs], str(output), shard or Shard())]


def test_a_folder_is_searched_for_tables_but_not_the_folder_of_the_results(folder: Path) -> None:
    found = names([folder], folder / "out")
    assert found == ["a.parquet", "b.parquet", "deep/a.parquet", "deep/er/x.tar.parquet"]


def test_files_and_patterns_keep_their_names(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert names(["b.csv.gz", "note.pdf"], folder / "o") == ["b.parquet", "note.pdf.parquet"]
    assert names(["*.parquet", "deep/*/*.zst"], folder / "o") == ["a.parquet", "er/x.tar.parquet"]
    assert names(["**/*.ecsv", "[ab].csv.gz"], folder / "o") == ["b.parquet", "deep/a.parquet"]
    assert names(["a.parquet", "./a.parquet"], folder / "o") == ["a.parquet"]


@pytest.mark.parametrize(
    ("inputs", "output", "why"),
    [
        (["missing.csv"], "o", "there is no such file or folder"),
        (["*.fits"], "o", "contains no tables"),
        (["a.parquet"], ".", "would be overwritten"),
        (["a.parquet", "deep"], "o", "two inputs would become a.parquet"),
        (["nowhere://x/a.csv"], "o", "is not an address that can be read|pip install"),
    ],
)
def test_what_cannot_be_planned_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, inputs: list[str], output: str, why: str
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises(InvalidInputError, match=why):
        names(list(inputs), folder / output)


def test_shards_share_the_files_out(folder: Path) -> None:
    every = names([folder], folder / "out")
    parts = [names([folder], folder / "out", Shard(number, 3)) for number in range(3)]
    assert sorted(name for part in parts for name in part) == every
    assert [len(part) for part in parts] == [2, 1, 1]
    assert find_shard("2/3") == Shard(2, 3)
    for text in ("3/3", "-1/3", "1", "a/b", "1/0"):
        with pytest.raises(InvalidInputError, match="from 0 to n - 1"):
            find_shard(text)
    with pytest.raises(InvalidInputError, match="4 files cannot be cut into 5 shards"):
        names([folder], folder / "out", Shard(0, 5))
