"""Metrics bin by bin, and whether their errors are what the next sample would show."""

from typing import Any

import numpy as np
import pytest

from training.evaluation import binned
from training.evaluation.predicted import Predicted


def predicted(count: int, *, sigma: float = 0.03, seed: int = 0, **more: Any) -> Predicted:
    random = np.random.default_rng(seed)
    true = random.uniform(0, 0.6, count)
    point = true + random.normal(0, sigma, count)
    around = {
        f"{side}{level}": point + sign * width * sigma
        for side, sign in (("lower", -1), ("upper", 1))
        for level, width in ((68, 1.0), (95, 2.0))
    }
    return Predicted(true=true, point=point, family=np.arange(count), **around, **more)


def test_intervals_of_one_and_two_sigma_hold_68_and_95_percent() -> None:
    found = binned.metrics(predicted(20_000))
    assert found["coverage_68"] == pytest.approx(0.683, abs=0.01)
    assert found["coverage_95"] == pytest.approx(0.954, abs=0.01)
    assert found["width_68"] == pytest.approx(0.06)


def test_bootstrap_errors_are_the_scatter_between_samples() -> None:
    samples = [binned.metrics(predicted(400, seed=seed)) for seed in range(150)]
    group = binned.overall(predicted(400, seed=999))
    for name in ("mae", "rms", "bias_mean", "bias_median", "nmad", "outliers_05", "coverage_68"):
        scatter = float(np.std([one[name] for one in samples]))
        assert group.metrics[name].error == pytest.approx(scatter, rel=0.4), name


def test_galaxies_of_one_family_count_as_one() -> None:
    galaxies = predicted(400)
    twice = galaxies.rows(np.repeat(np.arange(400), 25))
    single, family = binned.overall(galaxies).metrics["mae"], binned.overall(twice).metrics["mae"]
    assert family.value == pytest.approx(single.value)
    assert single.error is not None
    assert family.error == pytest.approx(single.error, rel=0.2)
    alone = galaxies.rows(np.zeros(50, dtype=np.intp))
    assert binned.overall(alone).metrics["mae"].error is None


def test_a_fraction_of_no_galaxies_has_an_unknown_error() -> None:
    galaxies = predicted(100, sigma=0.001)
    assert binned.overall(galaxies).metrics["outliers_15"] == binned.Estimate(0.0, None)


def test_every_galaxy_is_in_one_bin_of_redshift() -> None:
    galaxies = predicted(2000, sigma=0.1)
    assert (galaxies.point < 0).any()
    assert (galaxies.point > 0.6).any()
    for name in ("true_redshift", "predicted_redshift"):
        groups = binned.by(name, galaxies)
        assert groups is not None
        assert [group.low for group in groups] == pytest.approx(np.arange(12) * 0.05)
        assert sum(group.count for group in groups) == 2000


def test_bins_by_prediction_and_by_truth_see_the_same_shrinkage_differently() -> None:
    galaxies = predicted(40_000, sigma=0.05)
    by_truth, by_prediction = binned.by("true_redshift", galaxies), binned.by("predicted_redshift", galaxies)
    assert by_truth is not None
    assert by_prediction is not None
    assert abs(by_truth[11].metrics["bias_median"].value) < 0.003
    assert by_prediction[11].metrics["bias_median"].value > 0.01


def test_bins_of_a_property_leave_out_empty_ends_and_unknown_values() -> None:
    magnitude = np.array([17.2] * 30 + [19.5] * 20 + [np.nan] * 10)
    galaxies = predicted(60, properties={"magnitude": magnitude})
    groups = binned.by("magnitude", galaxies)
    assert groups is not None
    assert [(group.low, group.count) for group in groups] == [(17, 30), (18, 0), (19, 20)]
    assert binned.by("snr_rp", galaxies) is None
    assert binned.by("magnitude", predicted(60, properties={"magnitude": np.full(60, np.nan)})) is None


def test_too_few_galaxies_are_counted_and_not_measured() -> None:
    assert binned.overall(predicted(9)).metrics == {}
    assert binned.overall(predicted(10)).metrics["mae"].error is not None


def test_scores_of_densities_are_averaged_as_the_others() -> None:
    galaxies = predicted(50, scores={"crps": np.linspace(0, 1, 50)})
    assert binned.overall(galaxies).metrics["crps"].value == pytest.approx(0.5)


def test_one_seed_gives_the_same_errors_twice() -> None:
    assert binned.overall(predicted(300)) == binned.overall(predicted(300))
