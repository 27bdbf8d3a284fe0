"""What is written is read by the programs that astronomers use, and what they write is read here."""

import io
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import DR3, Problem
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.files import read
from gaia_redshift.tables.formats import FORMATS, format_to_write, opened
from gaia_redshift.tables.table import described

IDS = [5_000_000_000_000_000_001, 5_000_000_000_000_000_002, 5_000_000_000_000_000_003]
FORMATS_BY_CLIENT = [name for name, one in FORMATS.items() if one.writes]


def answer() -> pyarrow.RecordBatch:
    """Return three rows with carried columns of all kinds, and one that failed."""
    values = np.array([[0.1, 0.09, 0.11, 0.08, 0.12], [np.nan] * 5, [0.3, 0.29, 0.31, 0.28, 0.32]])
    pdf = np.arange(9.0).reshape(3, 3)
    redshifts = Redshifts(values, np.array([1, 0, 3], np.int32), pdf)
    carried = {
        described("source_id", pyarrow.int64()): IDS,
        described("ra", pyarrow.float64(), "deg", "Right ascension", "pos.eq.ra;meta.main"): [1.5, 2.5, 3.5],
        described("n", pyarrow.int32()): [1, None, 3],
        described("name", pyarrow.string()): ["a <&> b", "ü,;", ""],
        described("good", pyarrow.bool_()): [True, False, None],
        described("vector", pyarrow.list_(pyarrow.float32())): [[1.0], [], [1.0, 2.0]],
    }
    columns = [pyarrow.array(cells, field.type) for field, cells in carried.items()]
    batch = pyarrow.RecordBatch.from_arrays(columns, schema=pyarrow.schema(list(carried)))
    problem = Problem("missing_value", "flux_3 is empty")
    return beside(batch, Predictions(redshifts, None, {1: problem}), {"model": "tiny@1.2.3", "prior": "survey"})


def write(path: Path, name: str, *, without: tuple[str, ...] = ()) -> Path:
    file = path / f"out{FORMATS[name].extensions[0]}"
    with file.open("wb") as target:
        writer = FORMATS[name].writer(target, {"model": "tiny@1.2.3"})
        writer.write(answer().drop_columns(list(without)))
        writer.close()
    return file


@pytest.mark.parametrize("name", ["fits", "votable", "ecsv", "parquet"])
def test_astropy_reads_columns_units_and_descriptions(name: str, tmp_path: Path) -> None:
    table_of = pytest.importorskip("astropy.table").Table
    formats = {"ecsv": "ascii.ecsv"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # Astropy reads no Parquet with arrays of different lengths, or with none in a row.
        path = write(tmp_path, name, without=("vector", "pdf") if name == "parquet" else ())
        found = table_of.read(path, format=formats.get(name, name))
    assert found.colnames[:3] == ["source_id", "ra", "n"]
    assert found["source_id"].tolist() == IDS
    if name == "parquet":  # astropy's reader of VOParquet takes no text of any length, the plain one no metadata
        assert b'unit="deg"' in pyarrow.parquet.read_schema(path).metadata[b"IVOA.VOTable-Parquet.content"]
        return
    assert str(found["ra"].unit) == "deg"
    assert found["n"].mask.tolist() == [False, True, False]
    assert [str(text) for text in found["status"]] == ["ok", "error", "ok"]
    assert np.ma.filled(found["redshift"], np.nan)[[0, 2]].tolist() == [0.1, 0.3]
    assert np.asarray(found["pdf"])[2].tolist() == [6, 7, 8]
    if name != "fits":
        assert found["redshift"].description == "Redshift from the BP/RP spectrum"
    if name == "votable":
        assert found["redshift"].meta["ucd"] == "src.redshift.phot"


def test_astropy_reads_a_fits_column_of_empty_texts_as_empty(tmp_path: Path) -> None:
    table_of = pytest.importorskip("astropy.table").Table
    rows = pyarrow.table({"redshift": [0.1] * 1000, "quality": [""] * 1000})
    with (tmp_path / "empty.fits").open("wb") as file:
        writer = format_to_write("empty.fits").writer(file, {})
        for batch in rows.to_batches():
            writer.write(batch)
        writer.close()
    with pytest.importorskip("astropy.io.fits").open(tmp_path / "empty.fits") as opened:
        assert opened[1].columns["quality"].format == "1A"
    assert set(table_of.read(tmp_path / "empty.fits", mask_invalid=False)["quality"]) == {""}


def test_every_ucd_is_in_the_list_of_the_ivoa() -> None:
    ucd = pytest.importorskip("astropy.io.votable.ucd")
    for field in answer().schema:
        text = (field.metadata or {}).get(b"ucd", b"").decode()
        if text:
            ucd.parse_ucd(text, check_controlled_vocabulary=True, has_colon=False)


def test_astropy_finds_no_fault_with_the_votable(tmp_path: Path) -> None:
    votable = pytest.importorskip("astropy.io.votable")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        document = votable.parse(write(tmp_path, "votable"), verify="exception")
    assert [info.name for info in document.resources[0].infos] == ["QUERY_STATUS", "model"]


@pytest.mark.parametrize("name", ["csv", "parquet", "jsonl"])
def test_pandas_reads_and_joins_on_source_id(name: str, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    reader: Any = {"csv": pandas.read_csv, "parquet": pandas.read_parquet}.get(name)
    path = write(tmp_path, name)
    found = reader(path) if reader else pandas.read_json(path, lines=True)
    joined = pandas.DataFrame({"source_id": IDS, "mine": [1, 2, 3]}).merge(found, on="source_id")
    assert joined["status"].tolist() == ["ok", "error", "ok"]


def test_polars_reads_it(tmp_path: Path) -> None:
    polars = pytest.importorskip("polars")
    assert polars.read_parquet(write(tmp_path, "parquet"))["source_id"].to_list() == IDS


@pytest.mark.skipif(shutil.which("stilts") is None, reason="STILTS is not installed")
def test_stilts_reads_it_and_finds_no_fault(tmp_path: Path) -> None:
    for name, kind in (("fits", "fits"), ("votable", "votable"), ("csv", "csv")):
        path = write(tmp_path, name)
        command = ["stilts", "tpipe", f"in={path}", f"ifmt={kind}", "ofmt=csv", "cmd=keepcols 'source_id status'"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout.split() == [
            "source_id,status",
            *(f"{one},{s}" for one, s in zip(IDS, ["ok", "error", "ok"], strict=True)),
        ]
    lint = subprocess.run(
        ["stilts", "votlint", "ucd=true", str(write(tmp_path, "votable"))], capture_output=True, text=True, check=False
    )
    assert "ERROR" not in lint.stdout + lint.stderr


@pytest.mark.parametrize("form", ["fits", "tabledata", "binary2", "ecsv", "parquet"])
@pytest.mark.parametrize("array", [False, True])
def test_what_astropy_writes_is_read(form: str, array: bool, tmp_path: Path) -> None:
    tables = pytest.importorskip("astropy.table")
    flux = np.random.default_rng(2).uniform(0.1, 9, (5, DR3.samples))
    columns = {"flux": flux} if array else {f"flux_{number}": flux[:, number] for number in range(DR3.samples)}
    ids = np.arange(5) + IDS[0]
    name = tables.MaskedColumn(["a", "b", "c", "d", "ü"], mask=[0, 1, 0, 0, 0])
    table = tables.Table({"source_id": ids, **columns, "name": name})
    path = tmp_path / {"fits": "a.fits", "ecsv": "a.ecsv", "parquet": "a.parquet"}.get(form, "a.vot")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".vot":
            table.write(path, format="votable", tabledata_format=form)
        else:
            if form == "fits":
                table["name"] = ["a", "", "c", "d", "u"]
            table.write(path, **({"format": "ascii.ecsv"} if form == "ecsv" else {}))
    batch = read(path)
    assert not batch.problems
    assert batch.source_id == ids.tolist()
    assert np.allclose(batch.flux, flux, rtol=1e-6)


@pytest.mark.parametrize("name", FORMATS_BY_CLIENT)
def test_every_format_gives_back_what_was_written(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, name)
    with path.open("rb") as file, opened(file, path.name) as table:
        every = list(range(len(table.schema)))
        table.settle(every)
        (block,) = table.blocks(every)
    rows = block.columns.to_pylist()
    assert [row["source_id"] for row in rows] == IDS
    assert [row["n"] for row in rows] == [1, None, 3]
    assert [row["name"] for row in rows][:2] == ["a <&> b", "ü,;"]
    assert [row["good"] for row in rows] == [True, False, None]


@pytest.mark.parametrize("packing", ["gzip", "zstd", "zip"])
@pytest.mark.parametrize("name", ["csv", "fits", "votable", "parquet"])
def test_packed_tables_are_read_too(packing: str, name: str, tmp_path: Path) -> None:
    import gzip
    import zipfile

    content = write(tmp_path, name).read_bytes()
    if packing == "gzip":
        packed = gzip.compress(content)
    elif packing == "zstd":
        sink = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(content)
        packed = sink.getvalue().to_pybytes()
    else:
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("table", content)
        packed = made.getvalue()
    with opened(io.BytesIO(packed)) as table:
        assert table.format == f"{name} in {packing}"
        assert table.schema.names[0] == "source_id"
        assert sum(len(block.columns) for block in table.blocks([0])) == 3
