"""What is simulated is read by the programs that astronomers use, and by ourselves."""

import io
import warnings
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift.spectra import DR3
from gaia_redshift.tables.files import read
from gaia_redshift.tables.formats import FORMATS, opened
from training.data.dataset import load
from training.simulation.cli import simulate


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated")
    for name in ("set.parquet", "set.csv", "xp_continuous.csv"):
        simulate(folder / name, count=20, seed=9)
    return folder


def test_the_same_spectra_are_read_from_each_file(simulated: Path) -> None:
    expected = read(simulated / "set.parquet").flux
    np.testing.assert_allclose(read(simulated / "set.csv").flux, expected, atol=1e-3)
    np.testing.assert_allclose(read(simulated / "xp_continuous.csv").flux, expected, atol=2e-3)
    assert load(simulated / "set.parquet").simulated is True


def test_polars_reads_them(simulated: Path) -> None:
    polars = pytest.importorskip("polars")
    table = polars.read_parquet(simulated / "set.parquet")
    assert np.stack(table["flux"].to_numpy()).shape == (20, DR3.samples)
    assert polars.read_csv(simulated / "set.csv").shape == (20, 1 + DR3.samples)
    assert polars.read_csv(simulated / "xp_continuous.csv")["source_id"].to_list() == list(range(1, 21))


def test_pandas_reads_them(simulated: Path) -> None:
    pandas = pytest.importorskip("pandas")
    assert np.stack(pandas.read_parquet(simulated / "set.parquet")["flux"].to_list()).shape == (20, DR3.samples)
    assert pandas.read_csv(simulated / "set.csv").shape == (20, 1 + DR3.samples)


def test_pyvo_reads_them_as_a_votable(simulated: Path, tmp_path: Path) -> None:
    pyvo = pytest.importorskip("pyvo")
    votable = pytest.importorskip("astropy.io.votable")
    path = tmp_path / "set.vot"
    with (simulated / "set.parquet").open("rb") as file, opened(file) as table, path.open("wb") as target:
        writer = FORMATS["votable"].writer(target, {"QUERY_STATUS": "OK"})
        for block in table.blocks(range(len(table.schema))):
            writer.write(block.columns)
        writer.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pyvo.dal.DALResults(votable.parse(io.BytesIO(path.read_bytes())))
    assert len(found) == 20
    assert np.allclose(np.asarray(found["flux"])[3], read(simulated / "set.parquet").flux[3])
