"""Small labelled spectra, and one small network trained on them for all tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

from gaia_redshift.bundle import Manifest
from gaia_redshift.spectra import DR3, FloatArray
from training.data.dataset import Dataset, read
from training.data.material import Galaxies, Material, gather
from training.data.split import split
from training.recipes.cnn import CnnRecipe, Convolution
from training.release.export import Release, export
from training.trainer.fit import Fitted, fit

KERAS_WARNS = "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning"
"""Keras 3.15 copies TensorFlow's variables in NumPy 1's way."""

SMALL = CnnRecipe(
    name="small",
    convolutions=(Convolution(filters=4, kernel=5), Convolution(filters=4, kernel=3)),
    dense=(8,),
    learning_rate=0.01,
    epochs=3,
)
"""Learns the spectra below in a second."""


def galaxies(count: int, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Return fluxes of shape (count, 186) and redshifts: a break that moves with z, brightness and noise."""
    random = np.random.default_rng(seed)
    redshift = random.uniform(0.02, 0.5, count)
    sample = np.arange(DR3.samples)
    spectrum = 0.2 + 1 / (1 + np.exp(-(sample - 30 - 200 * redshift[:, None]) / 6))
    flux = random.lognormal(1.5, 0.3, (count, 1)) * spectrum + random.normal(0, 0.05, (count, DR3.samples))
    return flux.astype(np.float32), redshift.astype(np.float32)


def csv_table(flux: FloatArray, redshift: FloatArray) -> pa.Table:
    columns = {"z": redshift} | {f"flux_{index}": flux[:, index] for index in range(DR3.samples)}
    return pa.table(columns)


@pytest.fixture
def write_csv(tmp_path: Path) -> Callable[[pa.Table], Path]:
    def write(table: pa.Table) -> Path:
        path = tmp_path / "galaxies.csv"
        pyarrow.csv.write_csv(table, path)
        return path

    return write


@pytest.fixture
def write_parquet(tmp_path: Path) -> Callable[..., Path]:
    """Write what the simulator writes: flux as a fixed-size list, parents and parts, simulated in the metadata."""

    def write(flux: FloatArray, redshift: FloatArray, metadata: dict[str, str] | None = None, **more: object) -> Path:
        path = tmp_path / "galaxies.parquet"
        lists = pa.FixedSizeListArray.from_arrays(pa.array(flux.ravel()), DR3.samples)
        table = pa.table({"z": redshift, "flux": lists, **more})
        pyarrow.parquet.write_table(table.replace_schema_metadata(metadata or {"simulated": "true"}), path)
        return path

    return write


@pytest.fixture(scope="session", autouse=True)
def strict_conversion() -> Iterator[None]:
    """Let tf2onnx raise what its steps raise: it copies the graph before every step to be able to leave one out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF2ONNX_CATCH_ERRORS", "FALSE")
        yield


@contextmanager
def eagerly() -> Iterator[None]:
    """Let Keras run its steps as they come: to trace a graph first takes as long as dozens of small steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keras.Model, "run_eagerly", property(lambda _network: True, lambda _network, _wanted: None))
        yield


@pytest.fixture
def eager() -> Iterator[None]:
    with eagerly():
        yield


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let figures be empty files: for tests of what is written beside them."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda _figure, path, **_: Path(path).write_bytes(b""))


def runner(command: Callable[..., None]) -> Callable[..., str]:
    """Return what runs one command as its user would, and gives back what it prints on standard output."""
    application = typer.Typer()
    application.command()(command)

    def run(*arguments: str | Path) -> str:
        result = CliRunner().invoke(application, [str(each) for each in arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def gathered(dataset: Dataset, seed: int = SMALL.seed) -> Material:
    """Return a data set, split, as what a point network is trained on."""
    return gather(Galaxies(dataset, split(dataset, seed)))


def redshifts(fitted: Fitted, flux: FloatArray) -> FloatArray:
    """Return what a point network gives for raw spectra, shape (n,)."""
    return fitted.output(flux)["redshift"]


class Trained(NamedTuple):
    """A small network, what it was trained on, and its bundle."""

    material: Material
    fitted: Fitted
    run: Path
    folder: Path
    manifest: Manifest


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    base = tmp_path_factory.mktemp("trained")
    pyarrow.csv.write_csv(csv_table(*galaxies(600)), base / "galaxies.csv")
    material = gathered(read(base / "galaxies.csv"))
    fitted = fit(material, SMALL, base / "run")
    release = Release(base / "models" / "small", "small", "1.2.3")
    manifest = export(fitted, material, base / "run", release)
    return Trained(material, fitted, base / "run", release.folder, manifest)
