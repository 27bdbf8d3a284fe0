"""The simulated sky, whole, beside the real mean spectra."""

import os
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet

from benchmarks import real_spectra
from training.simulation import brightness, dataset, size_constants
from training.simulation.cli import simulate
from training.simulation.instrument import WAVELENGTH_NM
from training.simulation.seen import to_watts

REFERENCE = Path(os.environ.get("GAIA_REDSHIFT_REFERENCE", "../shared/reference"))
needs_real_data = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the real data are not here")


def test_a_file_says_what_its_galaxies_are(tmp_path: Path) -> None:
    path = tmp_path / "sizes.parquet"
    simulate(path, count=300, seed=7, kind=["galaxy", "star", "blend"])
    table = parquet.read_table(path)
    assert table.column_names[-5:] == list(brightness.TRUTH)
    star = np.array(table.column("kind").to_pylist()) == "star"
    for name in brightness.TRUTH:
        np.testing.assert_array_equal(np.isnan(table.column(name).to_numpy()), star)
    assert np.isfinite(table.column("flux").combine_chunks().flatten().to_numpy()).all()


def test_light_gets_the_magnitude_it_was_seen_with() -> None:
    seen = brightness.draw(np.array([0.15, 0.15]), np.random.default_rng(1))
    flat = np.ones((2, len(WAVELENGTH_NM)), dtype=np.float32)
    unit = to_watts(flat, np.array([], dtype=np.int64), flat[:0], np.array([0.15, 0.15]), seen)[:, 0]
    # 2.86e-11 W m-2 nm-1 is r = 0 at 617 nm.
    wanted = 2.86e-11 * 10 ** (-0.4 * seen.apparent) * size_constants.AMPLITUDE.value[1]
    np.testing.assert_allclose(unit, wanted, rtol=0.01)


@needs_real_data
def test_mean_spectra_of_sizes_and_magnitudes_meet_their_targets() -> None:
    block = next(iter(dataset.simulate(dataset.Recipe(2000, 31, "uniform"))))
    real = real_spectra.read_table(REFERENCE / "real_mean_flux.csv")[:, -6:]
    # As in test_real_spectra: from z = .1 on the means of a uniform distribution may be compared.
    for found in real_spectra.mean_flux(block.redshift, block.flux, real)[1:]:
        assert found is not None
        assert found.shape_percent <= 3.5
        assert found.amplitude == pytest.approx(1, abs=0.2)
