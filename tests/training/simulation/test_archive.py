"""Archive-like files: gaiaxpy reads them, and finds in them the spectra that were simulated."""

from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from gaia_redshift.spectra import DR3
from training.simulation import archive, dataset, noise
from training.simulation.cli import simulate
from training.simulation.instrument import BANDS, sample_matrix


def test_rows_carry_the_archives_columns(tmp_path: Path) -> None:
    path = tmp_path / "xp_continuous.csv"
    simulate(path, count=3, seed=9)
    header, *rows = path.read_text().splitlines()
    assert header.split(",") == list(archive.HEADER)
    assert [row.split(",")[0] for row in rows] == ["1", "2", "3"]
    assert header.split(",")[:5] == [
        "source_id", "solution_id", "bp_basis_function_id", "bp_degrees_of_freedom", "bp_n_parameters",
    ]  # fmt: skip


def test_coefficients_times_the_sample_matrix_are_the_fluxes() -> None:
    block = next(dataset.simulate(dataset.Recipe(20, 9, coefficients=True)))
    both = [block.coefficients[band] @ sample_matrix(band) for band in BANDS]
    whole = np.concatenate(both, axis=1)[:, DR3.positions.kept]
    np.testing.assert_allclose(whole, block.flux, atol=1e-3)


@pytest.mark.filterwarnings("ignore")
def test_gaiaxpy_reads_them_and_finds_the_same_fluxes_and_errors(tmp_path: Path) -> None:
    gaiaxpy = pytest.importorskip("gaiaxpy")
    import matplotlib as mpl

    mpl.rcParams["text.usetex"] = False
    simulate(tmp_path / "xp_continuous.csv", count=5, seed=9)
    simulate(tmp_path / "set.parquet", count=5, seed=9)
    expected = np.array(parquet.read_table(tmp_path / "set.parquet").column("flux").to_pylist())
    block = next(dataset.simulate(dataset.Recipe(5, 9, coefficients=True)))
    kept = DR3.positions.kept
    for band, columns in (("BP", slice(0, 80)), ("RP", slice(80, 186))):
        mine = DR3.positions.band == band
        positions = DR3.positions.pseudo_wavelength[mine & kept]
        step = np.abs(np.diff(positions)).mean()
        order = np.argsort(positions)
        spectra, _ = gaiaxpy.convert(tmp_path / "xp_continuous.csv", sampling=positions[order], save_file=False)
        found = spectra[spectra.xp == band].sort_values("source_id")
        flux = np.stack(found.flux.to_numpy()) * step
        np.testing.assert_allclose(flux, expected[:, columns][:, order], atol=2e-3)
        error = np.stack(found.flux_error.to_numpy()) * step
        np.testing.assert_allclose(error, noise.sample_error(band, block.variance[band])[:, order], rtol=2e-3)
