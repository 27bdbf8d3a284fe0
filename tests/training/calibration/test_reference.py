import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaia_redshift.spectra import DR3
from tests.tiny import tiny_calibration
from training.calibration.reference import cumulative_at, interval_ends, posterior, quantile

EDGES = np.linspace(0, 0.6, 13)
FLUX = np.tile(np.linspace(4, 6, DR3.samples, dtype=np.float32), (2, 1)) * np.array([[1], [3]], np.float32)


def some(count: int, seed: int = 0) -> np.ndarray:
    drawn = np.random.default_rng(seed).gamma(0.3, 1.0, (count, 12)) + 1e-6
    return np.asarray(drawn / drawn.sum(axis=1, keepdims=True))


def test_the_prior_of_training_changes_nothing_and_any_other_weighs_by_its_ratio() -> None:
    density, train = some(5), some(1, 1)[0]
    np.testing.assert_allclose(posterior(density, train, train), density)
    flat = posterior(density, np.full(12, 1 / 12), train)
    np.testing.assert_allclose(flat.sum(axis=1), 1)
    np.testing.assert_allclose(flat[:, 3] / flat[:, 7], density[:, 3] / density[:, 7] * train[7] / train[3])


def test_a_density_that_the_prior_excludes_becomes_the_prior() -> None:
    density, prior = np.eye(12)[:1], np.eye(12)[4] * 0.5 + np.eye(12)[5] * 0.5
    np.testing.assert_allclose(posterior(density, prior, np.full(12, 1 / 12)), [prior])


def test_the_median_of_a_uniform_density_is_the_middle() -> None:
    uniform = np.full((3, 12), 1 / 12)
    np.testing.assert_allclose(quantile(uniform, EDGES, 0.5), 0.3)
    np.testing.assert_allclose(quantile(uniform, EDGES, [0.0, 0.25, 1.0]), [0.0, 0.15, 0.6], atol=1e-12)


@given(st.floats(0.001, 0.999), st.integers(0, 100))
def test_the_cumulative_is_the_inverse_of_the_quantile(level: float, seed: int) -> None:
    density = some(4, seed)
    redshift = quantile(density, EDGES, level)
    np.testing.assert_allclose(cumulative_at(density, EDGES, redshift), level, atol=1e-9)


def test_quantiles_increase_with_the_level() -> None:
    density = some(50)
    found = np.array([quantile(density, EDGES, level) for level in np.linspace(0, 1, 21)])
    assert (np.diff(found, axis=0) >= 0).all()


def test_what_lies_outside_the_grid_is_below_or_above_everything() -> None:
    assert cumulative_at(some(2), EDGES, [-0.1, 0.7]) == pytest.approx([0.0, 1.0])


def test_each_brightness_finds_its_own_table() -> None:
    found = interval_ends(tiny_calibration(density=True), "survey", FLUX, np.array([0.2, 0.2]))
    assert found.T.tolist() == [[0.01, 0.1, 0.9, 0.99], [0.025, 0.16, 0.84, 0.975]]
