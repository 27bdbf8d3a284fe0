"""Simulated against real: each measure is right on a case whose answer is known, and met where data are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks import real_spectra
from gaia_redshift.errors import InvalidInputError
from training.simulation import dataset, noise
from training.simulation.instrument import BANDS, WINDOW_PX, Band

REFERENCE = Path(os.environ.get("GAIA_REDSHIFT_REFERENCE", "../shared/reference"))
needs_real_data = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the real data are not here")


def test_a_mean_spectrum_equals_itself_up_to_its_amplitude() -> None:
    real = np.random.default_rng(0).uniform(1, 2, (186, 6))
    real[:40, 2] = np.nan
    redshift = np.linspace(0.01, 0.59, 60)
    flux = np.where(np.isnan(real), 0, real)[:, (redshift * 10).astype(int)].T * 1.1
    for found in real_spectra.mean_flux(redshift, flux.astype(np.float32), real):
        assert found is not None
        assert found.shape_percent == pytest.approx(0, abs=1e-4)
        assert found.amplitude == pytest.approx(1.1, rel=1e-5)


def test_a_range_without_galaxies_is_none() -> None:
    found = real_spectra.mean_flux(np.array([0.05]), np.ones((1, 186), dtype=np.float32), np.ones((186, 6)))
    assert found[0] is not None
    assert found[1:] == [None] * 5


def test_high_pass_rms_sees_wiggles_and_not_slopes() -> None:
    ramp = np.tile(np.linspace(0, 10, 186, dtype=np.float32), (1, 1))
    wiggle = ramp + 0.5 * (-1.0) ** np.arange(186)
    for band in BANDS:
        assert real_spectra.high_pass_rms(ramp)[band][0] < 0.05
        assert real_spectra.high_pass_rms(wiggle.astype(np.float32))[band][0] == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("band", BANDS)
def test_the_noise_of_neighbouring_samples_is_as_correlated_as_the_archives(band: Band) -> None:
    flat = noise.coefficient_covariance(band, np.ones((1, len(WINDOW_PX)), dtype=np.float32))[0]
    assert real_spectra.neighbour_correlation(flat, band) == pytest.approx(real_spectra.REAL_CORRELATION, abs=0.03)


def test_missing_real_data_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="directory of the real data"):
        real_spectra.read_table(tmp_path / "real_mean_flux.csv")
    with pytest.raises(InvalidInputError, match="directory of the real data"):
        real_spectra.read_stars(tmp_path)


@needs_real_data
def test_the_forward_model_gives_back_real_stars() -> None:
    for star in real_spectra.read_stars(REFERENCE / "gaia_xp"):
        assert real_spectra.star_misfit_percent(star) <= 1.0


@needs_real_data
def test_mean_spectra_below_half_meet_their_targets() -> None:
    blocks = list(dataset.simulate(dataset.Recipe(2000, 31, "uniform")))
    redshift, flux = blocks[0].redshift, blocks[0].flux
    real = real_spectra.read_table(REFERENCE / "real_mean_flux.csv")[:, -6:]
    # A uniform distribution weighs z < .1 otherwise than the survey does: from z = .1 the means may be compared.
    for found in real_spectra.mean_flux(redshift, flux, real)[1:]:
        assert found is not None
        assert found.shape_percent <= 3.5
