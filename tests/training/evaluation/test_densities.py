"""Scores of densities, each against a formula, a pencil or another library."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from training.evaluation.densities import LEVELS, cde_loss, crps, kolmogorov_smirnov, pit, reliability

EDGES = np.array([0.0, 0.1, 0.3, 0.6])
DENSITY = np.array([[0.2, 0.5, 0.3]])


def normal(mean: NDArray[np.float64], sigma: float, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return normal densities on bins."""
    density = np.diff(stats.norm.cdf(edges[None], mean[:, None], sigma), axis=1)
    return np.asarray(density / density.sum(axis=1, keepdims=True))


@pytest.mark.parametrize(
    ("true", "expected"),
    [(0.0, 0.0), (0.05, 0.1), (0.1, 0.2), (0.2, 0.45), (0.3, 0.7), (0.6, 1.0), (-0.1, 0.0), (0.7, 1.0)],
)
def test_pit_is_the_mass_below_the_true_redshift(true: float, expected: float) -> None:
    assert pit(DENSITY, EDGES, np.array([true]))[0] == pytest.approx(expected)


@pytest.mark.parametrize("true", [-0.2, 0.0, 0.04, 0.1, 0.27, 0.3, 0.59, 0.6, 0.8])
def test_crps_is_its_integral(true: float) -> None:
    z = np.linspace(-0.5, 1.5, 2_000_001)
    cumulative = np.interp(z, EDGES, [0, 0.2, 0.7, 1])
    integral = np.square(cumulative - (z >= true)).mean() * 2
    assert crps(DENSITY, EDGES, np.array([true]))[0] == pytest.approx(integral, abs=2e-6)


def test_crps_agrees_with_scipys_energy_distance() -> None:
    random = np.random.default_rng(0)
    edges = np.linspace(0, 0.6, 121)
    density, true = random.dirichlet(np.full(120, 0.3), 5), random.uniform(0, 0.6, 5)
    # Half the squared energy distance of a sample and one point is their CRPS (Gneiting & Raftery 2007, eq. 21).
    fine = (np.linspace(0, 0.6, 120 * 40 + 1)[:-1] + 0.6 / 120 / 80).astype(np.float64)
    expected = [
        stats.energy_distance(fine, [one], np.repeat(row, 40)) ** 2 / 2 for row, one in zip(density, true, strict=True)
    ]
    assert crps(density, edges, true) == pytest.approx(expected, rel=1e-3)


def test_crps_of_a_normal_density_is_the_closed_form() -> None:
    sigma, edges = 0.03, np.linspace(0, 0.6, 1201)
    true = np.array([0.2, 0.25, 0.4])
    x = (true - 0.3) / sigma
    expected = sigma * (x * (2 * stats.norm.cdf(x) - 1) + 2 * stats.norm.pdf(x) - 1 / np.sqrt(np.pi))
    assert crps(normal(np.full(3, 0.3), sigma, edges), edges, true) == pytest.approx(expected, rel=1e-4)


def test_crps_of_a_density_that_is_one_number_is_the_absolute_error() -> None:
    edges = np.array([0.0, 0.2, 0.2 + 1e-9, 0.6])
    assert crps(np.array([[0, 1.0, 0]]), edges, np.array([0.35]))[0] == pytest.approx(0.15, abs=1e-6)


def test_cde_loss_equals_a_value_computed_by_hand() -> None:
    # p = 2, 2.5, 1 per redshift; the integral of its square is .4 + 1.25 + .3.
    assert cde_loss(DENSITY, EDGES, np.array([0.2]))[0] == pytest.approx(1.95 - 5)
    assert cde_loss(DENSITY, EDGES, np.array([0.6]))[0] == pytest.approx(1.95 - 2)
    assert cde_loss(DENSITY, EDGES, np.array([0.7]))[0] == pytest.approx(1.95)


def test_the_true_densities_have_the_best_scores_and_a_flat_pit() -> None:
    random = np.random.default_rng(1)
    edges = np.linspace(0, 0.6, 121)
    mean = random.uniform(0.2, 0.4, 4000)
    true = mean + random.normal(0, 0.03, 4000)
    honest, bold, shy = (normal(mean, sigma, edges) for sigma in (0.03, 0.02, 0.05))
    for score in (crps, cde_loss):
        values = [score(density, edges, true).mean() for density in (honest, bold, shy)]
        assert min(values) == values[0]
    assert kolmogorov_smirnov(pit(honest, edges, true)) < 0.03
    assert kolmogorov_smirnov(pit(bold, edges, true)) > 0.06
    assert reliability(pit(honest, edges, true)) == pytest.approx(LEVELS, abs=0.03)
    assert (reliability(pit(bold, edges, true)) < LEVELS - 0.01).all()


def test_ks_is_scipys() -> None:
    values = np.random.default_rng(2).beta(2, 3, 500)
    assert kolmogorov_smirnov(values) == pytest.approx(stats.kstest(values, "uniform").statistic)
