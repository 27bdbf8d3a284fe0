"""Noise: less with more transits, correlated as 55 bases leave it, and as large as its stated error."""

import numpy as np
import pytest

from training.simulation import noise
from training.simulation.instrument import BANDS, WINDOW_PX, Band, kept_matrix


def variance(band: Band, transits: int, count: int = 1) -> np.ndarray:
    flux = np.full((count, len(WINDOW_PX)), 10.0, dtype=np.float32)
    return noise.pixel_variance(band, flux, np.full(count, transits, dtype=np.int16))


@pytest.mark.parametrize("band", BANDS)
def test_four_times_the_transits_halve_the_error(band: Band) -> None:
    few, many = (noise.sample_error(band, variance(band, transits)) for transits in (10, 40))
    np.testing.assert_allclose(few, 2 * many, rtol=1e-5)


@pytest.mark.parametrize("band", BANDS)
def test_the_drawn_noise_is_as_large_as_its_stated_error(band: Band) -> None:
    many = variance(band, 30, count=4000)
    drawn = noise.draw_coefficients(band, many, np.random.default_rng(5)) @ kept_matrix(band)
    offset_free = drawn - drawn.mean(axis=1, keepdims=True)
    assert offset_free.std() == pytest.approx(noise.sample_error(band, many).mean(), rel=0.05)


@pytest.mark.parametrize("band", BANDS)
def test_the_covariance_is_that_of_the_drawn_coefficients(band: Band) -> None:
    many = variance(band, 5, count=20_000)
    drawn = noise.draw_coefficients(band, many, np.random.default_rng(6))
    stated = np.diagonal(noise.coefficient_covariance(band, many[:1])[0])
    # Low orders also carry the background's scatter; the median order does not feel it.
    assert np.median(drawn.var(axis=0) / stated) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("band", BANDS)
def test_neighbouring_samples_are_correlated(band: Band) -> None:
    drawn = noise.draw_coefficients(band, variance(band, 30, count=2000), np.random.default_rng(7)) @ kept_matrix(band)
    left, right = drawn[:, 1:].ravel(), drawn[:, :-1].ravel()
    assert 0.80 < np.corrcoef(left, right)[0, 1] < 0.95


def test_calibration_errors_are_about_a_percent() -> None:
    factor = noise.calibration(3000, np.random.default_rng(8))
    assert factor.mean() == pytest.approx(1, abs=2e-3)
    assert 0.005 < factor.std() < 0.015
