"""The commands ``bulk`` and ``convert``: exit codes, what is said, what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from pyarrow import parquet

from gaia_redshift.commands import bulk as module
from gaia_redshift.errors import InvalidInputError
from tests.gaia_redshift.bulk import files
from tests.gaia_redshift.bulk.files import archive_rows, outputs, write_archive, write_spectra

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Return a runner of a command in this process; it returns the exit code and the output."""
    monkeypatch.setattr(module, "_engine", lambda *_: files.here)

    def run(name: str, *places: object, **options: object) -> tuple[int, str]:
        more = {"model": "tiny", "models": models} if name == "bulk" else {}
        code = 0
        try:
            getattr(module, name)([str(place) for place in places], **more, **options)
        except typer.Exit as stop:
            code = stop.exit_code
        return code, capsys.readouterr().err

    return run


def test_bulk_says_what_it_did_and_exits_with_1_where_something_failed(tmp_path: Path, command: Command) -> None:
    for number in range(2):
        write_spectra(tmp_path / "in" / f"{number}.parquet", 20, number)
    code, said = command("bulk", tmp_path / "in", tmp_path / "out")
    assert (code, said) == (0, f"2 of 2 files: 40 rows, 0 without a result -> {tmp_path / 'out'}\n")
    code, said = command("bulk", tmp_path / "in", tmp_path / "out")
    assert "2 of 2 files, 2 of them by earlier runs: 40 rows" in said
    (tmp_path / "in" / "2.csv").write_text("a,b\n1,2\n")
    code, said = command("bulk", tmp_path / "in", tmp_path / "out")
    assert code == 1
    assert "failed: 2.csv: invalid_table: " in said
    assert set(outputs(tmp_path / "out")) == {"0.parquet", "1.parquet"}


def test_convert_and_bulk_follow_each_other_and_a_row_without_a_result_exits_with_1(
    tmp_path: Path, command: Command
) -> None:
    rows = archive_rows(30)
    write_archive(tmp_path / "in" / "a.csv.gz", rows)
    assert command("convert", tmp_path / "in", tmp_path / "coefficients")[0] == 0
    assert command("bulk", tmp_path / "coefficients", tmp_path / "out")[0] == 0
    write_archive(tmp_path / "in" / "a.csv.gz", [*rows[:10], "1,2,3", *rows[10:]])
    code, said = command("bulk", tmp_path / "in", tmp_path / "text")
    assert code == 1
    assert "31 rows, 1 without a result" in said


def test_columns_are_kept_where_they_are_wished_for(tmp_path: Path, command: Command) -> None:
    flux = ",".join(f"flux_{number}" for number in range(186))
    rows = [",".join([str(row), str(row * 1.5), "x", *["0.5", *["0.25"] * 185]]) for row in range(3)]
    (tmp_path / "a.csv").write_text("\n".join([f"source_id,G,name,{flux}", *rows]) + "\n")
    assert command("bulk", tmp_path / "a.csv", tmp_path / "out", keep=["g"])[0] == 0
    table = parquet.read_table(tmp_path / "out" / "a.parquet")
    assert table.column_names[:3] == ["source_id", "G", "redshift"]
    assert table["source_id"].to_pylist() == [0, 1, 2]
    code, said = command("bulk", tmp_path / "a.csv", tmp_path / "other", keep=["ra"])
    assert code == 1
    assert "there is no column ra" in said


def test_what_cannot_be_meant_is_refused(tmp_path: Path, models: Path) -> None:
    for places, options, why in (
        (["in"], {}, "give at least one input"),
        (["in", "out"], {"processes": 2, "ray": "auto"}, "give only one of --processes, --dask and --ray"),
        (["in", "out"], {"shard": "3/2"}, "give i/n"),
    ):
        with pytest.raises(InvalidInputError, match=why):
            module.bulk(places, model="tiny", models=models, **options)  # type: ignore[arg-type]


def test_a_cluster_that_is_not_installed_is_said_with_how_to_get_it(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_spectra(tmp_path / "a.parquet", 5)
    for name, engine in (("distributed", "dask"), ("ray", "ray")):
        monkeypatch.setitem(__import__("sys").modules, name, None)
        with pytest.raises(Exception, match=rf"--{engine} needs {engine.title()}: .*\[{engine}\]"):
            module.bulk([str(source), str(tmp_path / "out")], model="tiny", models=models, **{engine: "x"})  # type: ignore[arg-type]
    assert outputs(tmp_path / "out") == {}
