"""A shift and a temperature: found in what was shifted and sharpened, and folded into a last layer without a loss."""

import numpy as np
import pytest

from gaia_redshift.errors import InvalidInputError
from training.calibration.correction import (
    Correction,
    fit_density,
    fit_point,
    improves,
    ln_likelihood,
    ln_score,
    smooth_prior,
)

EDGES = np.linspace(0, 0.6, 121).round(9)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2


def likelihoods(shift: float, claimed: float, count: int = 600) -> tuple[np.ndarray, np.ndarray]:
    """Return Gaussian log likelihoods that are off by `shift` (1 + z) and claim a width, and true redshifts."""
    random = np.random.default_rng(5)
    true = random.uniform(0.1, 0.4, count)
    seen = (true - shift) / (1 + shift) + random.normal(0, 0.02, count)
    return -0.5 * ((MIDDLE - seen[:, None]) / claimed) ** 2, true


def test_the_shift_and_the_temperature_of_densities_are_recovered() -> None:
    likelihood, true = likelihoods(0.015, 0.01)
    found = fit_density(likelihood, true, EDGES)
    assert found.shift == pytest.approx(0.015, abs=0.003)
    # Twice too narrow: a likelihood raised to the power 1/4 is a Gaussian twice as wide.
    assert found.temperature == pytest.approx(4, rel=0.2)


def test_right_densities_stay_as_they_are() -> None:
    likelihood, true = likelihoods(0.0, 0.02)
    found = fit_density(likelihood, true, EDGES)
    assert found.shift == pytest.approx(0, abs=0.003)
    assert found.temperature == pytest.approx(1, rel=0.15)
    prior = smooth_prior(true, EDGES)
    before = ln_score(likelihood, true, EDGES, prior)
    after = ln_score(found.of_likelihood(likelihood, EDGES), true, EDGES, prior)
    assert not improves(after - before)


def test_a_correction_moves_the_peak_of_a_density_as_it_moves_a_redshift() -> None:
    correction = Correction(shift=0.02, temperature=1.0)
    likelihood = -0.5 * ((MIDDLE - np.array([[0.1], [0.3]])) / 0.02) ** 2
    moved = np.exp(correction.of_likelihood(likelihood, EDGES))
    mean = (moved * MIDDLE).sum(axis=1) / moved.sum(axis=1)
    np.testing.assert_allclose(mean, correction.of_redshift(np.array([0.1, 0.3])), atol=1e-3)


@pytest.mark.parametrize("correction", [Correction(), Correction(0.013, 1.4), Correction(-0.02, 0.7)])
def test_a_correction_interpolates_between_bins_and_keeps_constants(correction: Correction) -> None:
    likelihood = np.random.default_rng(0).normal(size=(5, len(MIDDLE)))
    before = (MIDDLE - correction.shift) / (1 + correction.shift)
    expected = [np.interp(before, MIDDLE, row) / correction.temperature for row in likelihood]
    np.testing.assert_allclose(correction.of_likelihood(likelihood, EDGES), expected, atol=1e-12)
    matrix = correction.matrix(EDGES)
    np.testing.assert_allclose(matrix.sum(axis=0), 1 / correction.temperature)
    assert correction.is_none == np.allclose(matrix, np.eye(len(MIDDLE)))


def test_the_median_error_of_point_estimates_becomes_zero() -> None:
    true = np.linspace(0.05, 0.4, 301)
    predicted = (true - 0.01) / 1.01 + np.random.default_rng(1).normal(0, 1e-3, 301)
    found = fit_point(predicted, true)
    assert found.shift == pytest.approx(0.01, abs=5e-4)
    assert np.median(found.of_redshift(predicted) - true) == pytest.approx(0, abs=2e-4)


def test_labels_that_belong_to_other_galaxies_are_refused() -> None:
    true = np.linspace(0.05, 0.4, 301)
    with pytest.raises(InvalidInputError, match="no recalibration corrects that"):
        fit_point(true + 0.3, true)
    likelihood, true = likelihoods(0.0, 0.002)
    with pytest.raises(InvalidInputError, match="no recalibration corrects that"):
        fit_density(likelihood, np.random.default_rng(2).permutation(true), EDGES)


def test_a_density_of_nothing_has_a_finite_logarithm() -> None:
    density = np.zeros((1, 3), np.float32)
    density[0, 1] = 1
    assert np.isfinite(ln_likelihood(density, np.full(3, 1 / 3))).all()
