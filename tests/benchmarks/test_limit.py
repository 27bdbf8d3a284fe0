"""The likelihood behind docs/explanation/density-network.md: the covariance it assumes is the simulator's."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from unittest import mock

import numpy as np
import pytest

from training.simulation import noise, population
from training.simulation.dataset import Recipe, Simulator

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclasses look for their module, and it for its neighbours.
    with mock.patch.dict("sys.modules", {name: module}), mock.patch("sys.path", [str(BENCHMARKS), *sys.path]):
        spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def limit() -> ModuleType:
    return load("limit")


@pytest.mark.parametrize("brightest", [False, True])
def test_errors_have_the_covariance_that_the_likelihood_assumes(limit: ModuleType, brightest: bool) -> None:
    known_noise = load("known_noise")
    simulator, rng, many = Simulator(), np.random.default_rng(1), 3000
    block, _ = known_noise.clean("test", 5, 0)
    peak = block.samples().max(axis=1)
    row = int(peak.argmax() if brightest else peak.argmin())
    window = {band: values[row : row + 1] for band, values in block.window.items()}
    nothing = dict.fromkeys(("redshift", "parent_id", "part", "kind"), np.zeros(many, np.int32))
    with (
        mock.patch.object(population, "draw_transits", lambda count, _: np.full(count, 40, np.int16)),
        mock.patch.object(noise, "draw_excess", lambda count, _: np.ones(count, np.float32)),
    ):
        repeated = {band: np.repeat(values, many, axis=0) for band, values in window.items()}
        seen = simulator.observed(Recipe(many, 1, coefficients=True), repeated, rng, **nothing)
    variance = {band: values[:1] for band, values in seen.variance.items()}
    covariance = known_noise.sample_covariance(window, variance)
    onto = limit.directions(covariance)
    error = (seen.flux - known_noise.Clean(np.zeros(1), window).samples()) @ onto
    white = np.linalg.solve(np.linalg.cholesky(onto.T @ covariance[0] @ onto), error.T)
    # Of so many draws a variance is good to 2.6%, a correlation to 1.8%.
    np.testing.assert_allclose(white.var(axis=1), 1, atol=0.11)
    assert np.sqrt(np.mean(np.square(np.cov(white) - np.eye(len(white))))) < 0.022
    assert np.abs(white.mean(axis=1)).max() < 0.09


def test_chunks_add_up_in_any_order(limit: ModuleType) -> None:
    rng = np.random.default_rng(2)
    ln_weight, number = rng.normal(0, 300, (3, 4, 50)), rng.integers(limit.BINS, size=(3, 50))

    def posterior(order: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        whole = limit.Posterior(4)
        for chunk in order:
            largest = ln_weight[chunk].max(axis=1)
            weight = np.exp(ln_weight[chunk] - largest[:, None])
            binned = np.stack([np.bincount(number[chunk], each, limit.BINS) for each in weight])
            whole.add(largest, binned, np.square(weight).sum(axis=1))
        return *whole.medians(), whole.effective()

    for ours, theirs in zip(posterior((0, 1, 2)), posterior((2, 0, 1)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    weights = np.exp(ln_weight - ln_weight.max(axis=(0, 2), keepdims=True))
    expected = weights.sum(axis=(0, 2)) ** 2 / np.square(weights).sum(axis=(0, 2))
    np.testing.assert_allclose(posterior((0, 1, 2))[2], expected, rtol=1e-9)


def test_a_library_galaxy_stands_for_others_of_other_brightness(limit: ModuleType) -> None:
    rng = np.random.default_rng(4)
    shape = rng.uniform(0.5, 1, (200, limit.DIRECTIONS)).astype(np.float32)
    number = np.arange(200, dtype=np.int32)
    whiten = np.broadcast_to(np.eye(limit.DIRECTIONS, dtype=np.float32) * 100, (3, limit.DIRECTIONS, limit.DIRECTIONS))
    chosen, level = [7, 120, 199], np.array([[1.5], [3], [7]], np.float32)
    wanted = 100 * level * shape[chosen]
    mean = np.full(200, np.log(3), np.float32)
    largest, weight, squares = (np.asarray(each) for each in limit.weigher()(shape, number, mean, (whiten, wanted)))
    assert weight.argmax(axis=1).tolist() == chosen
    np.testing.assert_allclose(weight.max(axis=1), 1)
    np.testing.assert_allclose(squares, 1, rtol=1e-5)
    # What is left is the brightness: a lognormal's density, and the Laplace approximation's width.
    ln_prior = -0.5 * (np.log(level[:, 0] / 3) / limit.SPREAD) ** 2 - np.log(level[:, 0])
    power = np.square(100 * shape[chosen]).sum(axis=1)
    np.testing.assert_allclose(largest, ln_prior - 0.5 * np.log(power), atol=2e-3)
