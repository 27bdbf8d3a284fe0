"""The simulated survey has the real one's redshifts and brightness."""

import numpy as np
import pytest

from training.simulation import constants, population
from training.simulation.galaxies import choose_parents, parents


def test_survey_redshifts_have_the_published_percentiles() -> None:
    z = population.draw_redshift(400_000, "survey", np.random.default_rng(1))
    for percent, published in constants.REDSHIFT_PERCENTILES.value:
        assert np.percentile(z, percent) == pytest.approx(published, rel=0.02)


def test_survey_redshifts_have_the_published_moments() -> None:
    z = population.draw_redshift(400_000, "survey", np.random.default_rng(1))
    skewness = ((z - z.mean()) ** 3).mean() / z.std() ** 3
    assert (z.mean(), np.median(z), z.std()) == pytest.approx((0.142, 0.126, 0.079), rel=0.02)
    assert skewness == pytest.approx(1.094, rel=0.02)


def test_uniform_redshifts_fill_the_range_evenly() -> None:
    z = population.draw_redshift(60_000, "uniform", np.random.default_rng(1))
    counts, _ = np.histogram(z, bins=12, range=(0, 0.6))
    assert counts.min() > 4700
    assert counts.max() < 5300


def test_brightness_falls_with_redshift_and_keeps_the_survey_mean() -> None:
    rng = np.random.default_rng(2)
    mean = [population.draw_peak(np.full(40_000, z), rng).mean() for z in (0.05, 0.15, 0.25, 0.35, 0.45, 0.55)]
    assert mean == pytest.approx(constants.PEAK_FLUX.value, rel=0.03)


def test_parents_are_near_in_redshift_where_the_catalogue_is_dense() -> None:
    z = np.linspace(0.03, 0.2, 300)
    chosen = parents().redshift[choose_parents(z, np.random.default_rng(4))]
    assert np.abs(chosen - z).max() <= constants.PARENT_WINDOW.value


def test_the_magnitude_of_a_brighter_source_is_smaller() -> None:
    one = population.magnitude(np.array([100.0]), np.array([150.0]))
    ten = population.magnitude(np.array([1000.0]), np.array([1500.0]))
    assert one - ten == pytest.approx(2.5)
