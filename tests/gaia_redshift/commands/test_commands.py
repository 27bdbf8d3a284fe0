import csv
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.commands import main as cli
from gaia_redshift.errors import RedshiftError
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import BIN_EDGES, tiny_redshift, write_tiny_bundle

Make = Callable[[int], FloatArray]


@pytest.fixture
def run(models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple]:
    """Return a runner of the command line: arguments to (exit code, standard output, standard error)."""
    monkeypatch.setenv("GAIA_REDSHIFT_MODELS", str(models))
    monkeypatch.setenv("GAIA_REDSHIFT_DEFAULT_MODEL", "tiny")

    def command(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["gaia-redshift", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        output = capsys.readouterr()
        return int(stop.value.code or 0), output.out, output.err

    return command


def write_table(path: Path, flux: FloatArray, *more: str) -> Path:
    header = ",".join(["source_id", *(f"flux_{number}" for number in range(DR3.samples))])
    rows = [",".join([str(number), *map(str, row)]) for number, row in enumerate(flux.tolist())]
    path.write_text("\n".join([header, *rows, *more]) + "\n")
    return path


def test_predict_writes_a_redshift_for_every_row(run, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    flux = make_flux(3000)
    code, out, err = run("predict", write_table(tmp_path / "in.csv", flux), "-o", tmp_path / "out.csv")
    assert (code, out) == (0, "")
    assert "3000 spectra, 0 without a redshift, by tiny 1.2.3" in err.replace("\n", " ")
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["source_id"] for row in rows] == [str(number) for number in range(3000)]
    assert [float(row["redshift"]) for row in rows] == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)


@pytest.mark.parametrize(("source", "target"), [("csv", "parquet"), ("parquet", "csv"), ("parquet", "parquet")])
def test_every_format_in_and_out_gives_the_same_redshifts_in_order(
    run,  # noqa: ANN001
    tmp_path: Path,
    make_flux: Make,
    source: str,
    target: str,
) -> None:
    flux = make_flux(9000)
    table = tmp_path / f"in.{source}"
    if source == "csv":
        write_table(table, flux)
    else:
        columns = {"source_id": pyarrow.array(range(9000)), "z": pyarrow.nulls(9000)}
        columns["flux"] = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples)
        parquet.write_table(pyarrow.table(columns), table)
    assert run("predict", table, "-o", tmp_path / f"out.{target}")[0] == 0
    if target == "csv":
        with (tmp_path / "out.csv").open() as file:
            rows = list(csv.DictReader(file))
    else:
        found = parquet.read_table(tmp_path / "out.parquet")
        assert found.schema.metadata[b"model"] == b"tiny@1.2.3"
        rows = found.to_pylist()
    identifiers = [str(number) for number in range(9000)] if target == "csv" else list(range(9000))
    assert [row["source_id"] for row in rows] == identifiers
    assert [float(row["redshift"]) for row in rows] == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)


def test_predict_exits_with_1_when_a_row_failed_and_keeps_the_others(run, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    table = write_table(tmp_path / "in.csv", make_flux(2), "9,1,2,3")
    code, _, err = run("predict", table, "-o", tmp_path / "out.csv")
    assert code == 1
    assert "1 without a redshift" in err.replace("\n", " ")
    with (tmp_path / "out.csv").open() as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["ok", "ok", "error"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n", "no spectra were found: csv with commas between cells, 2 columns (a, b), 1 row"),
        (b"\x00\x01", "not CSV"),
    ],
)
def test_an_unreadable_table_exits_with_2_and_leaves_the_output_alone(
    run,  # noqa: ANN001
    tmp_path: Path,
    content: bytes,
    message: str,
) -> None:
    (tmp_path / "in.csv").write_bytes(content)
    (tmp_path / "out.csv").write_text("earlier")
    code, _, err = run("predict", tmp_path / "in.csv", "-o", tmp_path / "out.csv")
    assert code == 2
    assert err.startswith("error: ")
    assert message in err
    assert (tmp_path / "out.csv").read_text() == "earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "models", "out.csv"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "missing.csv", "-o", "out.csv"), "missing.csv cannot be read: No such file"),
        (("predict", "in.fits", "-o", "out.csv"), "in.fits cannot be read: No such file"),
        (("predict", "in.csv", "-o", "out.txt"), "out.txt: tables are written as .csv, .ecsv, .fits, .vot, .parquet"),
        (("predict", "in.csv", "-o", "out.csv.gz"), "out.csv.gz: tables are written as .csv"),
        (("predict", "in.csv", "-o", "nowhere/out.csv"), "cannot be"),
        (("predict", "in.csv", "-o", "out.csv", "-m", "other"), "there is no model 'other'"),
        (("predict", "in.csv"), "Missing option"),
        (("unknown",), "No such command"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_why(run, tmp_path: Path, monkeypatch, arguments, message: str) -> None:  # noqa: ANN001
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.csv").write_text("flux_0\n1\n")
    code, _, err = run(*arguments)
    assert code == 2
    assert message in err


def test_a_wrong_setting_is_named(run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    monkeypatch.setenv("GAIA_REDSHIFT_PORT", "many")
    code, _, err = run("serve")
    assert code == 2
    assert "GAIA_REDSHIFT_PORT: Input should be a valid integer" in err


def test_serve_refuses_an_altered_bundle_in_one_line(run, models: Path) -> None:  # noqa: ANN001
    with (models / "tiny" / "scaler.joblib").open("ab") as file:
        file.write(b"x")
    code, _, err = run("serve")
    assert code == 2
    assert err.count("\n") == 1
    assert "tiny/scaler.joblib is not the file" in err


def test_models_lists_good_bundles_and_refuses_broken_ones(run, models: Path) -> None:  # noqa: ANN001
    code, out, _ = run("models")
    assert code == 0
    assert out == "tiny 1.2.3 (default)  A weighted sum, for tests\n"
    (models / "tiny" / "CARD.md").unlink()
    code, out, _ = run("models")
    assert code == 1
    assert "tiny  REFUSED" in out


def test_the_version_is_shown(run) -> None:  # noqa: ANN001
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("gaia-redshift ")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_of_predict_tells_columns_units_and_examples(run, flag: str) -> None:  # noqa: ANN001
    code, out, _ = run("predict", flag)
    text = " ".join(out.split())
    assert code == 0
    for told in ("flux_0 to flux_185", "bp_0..", "e-/s per sample", "blue to red", "0.33342 pixels in BP and 0.35680"):
        assert told in text
    assert "\n    gaia-redshift predict spectra.csv -o redshifts.csv\n" in out
    assert run("-h")[0] == 0


def test_the_command_completes_in_a_shell(run) -> None:  # noqa: ANN001
    code, out, _ = run("--help")
    assert code == 0
    assert "--install-completion" in out


def test_standard_input_and_output_are_csv(run, tmp_path: Path, make_flux: Make, monkeypatch) -> None:  # noqa: ANN001
    table = write_table(tmp_path / "in.csv", make_flux(3))
    with table.open() as source:
        monkeypatch.setattr("sys.stdin", source)
        code, out, err = run("predict", "-", "-o", "-")
    rows = list(csv.DictReader(out.splitlines()))
    assert (code, [row["status"] for row in rows]) == (0, ["ok"] * 3)
    assert "3 spectra" in err
    assert "spectra" not in out


def test_fluxes_per_pixel_give_the_redshifts_of_fluxes_per_sample(run, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    flux = make_flux(5)
    table = write_table(tmp_path / "in.csv", flux / DR3.pixels)
    assert run("predict", table, "-o", tmp_path / "out.csv", "--unit", "per_pixel")[0] == 0
    with (tmp_path / "out.csv").open() as file:
        found = [float(row["redshift"]) for row in csv.DictReader(file)]
    assert found == pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    code, _, err = run("predict", table, "-o", tmp_path / "out.csv", "--unit", "W m-2 nm-1")
    assert code == 2
    assert "XP_CONTINUOUS" in err


def test_a_part_that_is_not_installed_leaves_the_other_commands(run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    from importlib.metadata import EntryPoint

    entries = [
        EntryPoint("gone", "no_such_module:function", cli.COMMANDS),
        EntryPoint("models", "gaia_redshift.commands.models:models", cli.COMMANDS),
    ]
    monkeypatch.setattr(cli, "entry_points", lambda **_: entries)
    assert run("models")[0] == 0
    code, _, err = run("gone")
    assert code == 2
    assert "the command gone is not part of this installation" in err


def test_details_are_printed_below_the_message(run, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN001
    def fail() -> None:
        raise RedshiftError("it is wrong", [cli_detail])

    from gaia_redshift.errors import Detail

    cli_detail = Detail("row 3", "no number")
    monkeypatch.setattr(cli, "build", lambda: fail)
    assert run()[2] == "error: it is wrong\n  row 3: no number\n"


def test_densities_in_csv_come_with_their_bin_edges(run, models: Path, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    write_tiny_bundle(models / "dense", "dense", density=True)
    table = write_table(tmp_path / "in.csv", make_flux(2))
    assert run("predict", table, "-o", tmp_path / "z.csv", "-m", "dense", "--pdf")[0] == 0
    with (tmp_path / "z.bins.csv").open() as file:
        bins = list(csv.DictReader(file))
    assert [float(row["redshift_from"]) for row in bins] == BIN_EDGES[:-1].tolist()
    assert [float(row["redshift_to"]) for row in bins] == BIN_EDGES[1:].tolist()
    assert [int(row["bin"]) for row in bins] == list(range(60))
    assert "0,0,0.01\n" in run("predict", table, "-o", "-", "-m", "dense", "--pdf")[2]


def test_a_stamp_says_in_every_row_who_answered(run, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    source = tmp_path / "in.parquet"
    flux = pyarrow.array(make_flux(3).tolist(), pyarrow.list_(pyarrow.float32()))
    parquet.write_table(pyarrow.table({"model": ["mine"] * 3, "flux": flux}), source)
    assert run("predict", source, "-o", tmp_path / "out.parquet", "--stamp")[0] == 0
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names[0] == "model_input"
    assert table.column_names[-2:] == ["model", "prior"]
    assert table["model"].to_pylist() == ["tiny@1.2.3"] * 3
    assert table["prior"].to_pylist() == ["survey"] * 3


def test_densities_are_written_for_qp(run, models: Path, tmp_path: Path, make_flux: Make) -> None:  # noqa: ANN001
    write_tiny_bundle(models / "dense", "dense", density=True)
    source = write_table(tmp_path / "in.csv", make_flux(3))
    arguments = ("predict", source, "-o", tmp_path / "z.qp.fits", "--model", "dense")
    code, _, err = run(*arguments)
    assert code == 2
    assert "--pdf" in err
    assert run(*arguments, "--pdf")[0] == 0
    fits = pytest.importorskip("astropy.io.fits")
    with fits.open(tmp_path / "z.qp.fits") as file:
        assert file["META"].data["bins"][0].tolist() == pytest.approx(list(BIN_EDGES))
        assert file["DATA"].data["pdfs"].shape == (3, len(BIN_EDGES) - 1)
