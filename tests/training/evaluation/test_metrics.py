import math

import numpy as np
import pytest
import sklearn.metrics
from astropy.stats import mad_std
from scipy import stats

from training.evaluation.metrics import by_redshift, measure


def test_metrics_equal_values_computed_by_hand() -> None:
    # dz = 0.1, -0.1, 0.2, 0 by construction.
    true = [0.0, 0.0, 0.25, 0.5]
    predicted = [0.1, -0.1, 0.5, 0.5]
    found = measure(true, predicted)
    assert found["mae"] == pytest.approx((0.1 + 0.1 + 0.25 + 0) / 4)
    assert found["rms"] == pytest.approx(math.sqrt((0.01 + 0.01 + 0.0625) / 4))
    assert found["bias_mean"] == pytest.approx(0.05)
    assert found["bias_median"] == pytest.approx(0.05)
    # Deviations from the median 0.05: 0.05, 0.15, 0.15, 0.05.
    assert found["nmad"] == pytest.approx(1.4826 * 0.1)
    assert found["outliers_15"] == pytest.approx(0.25)
    assert found["outliers_05"] == pytest.approx(0.75)


def test_nmad_of_normal_errors_is_their_standard_deviation() -> None:
    error = np.random.default_rng(0).normal(0, 0.03, 200_000)
    assert measure(np.zeros(200_000), error)["nmad"] == pytest.approx(0.03, rel=0.01)


def test_metrics_are_those_of_scipy_scikit_learn_and_astropy() -> None:
    random = np.random.default_rng(1)
    true = random.uniform(0, 0.6, 5001)
    predicted = true + random.standard_t(2, 5001) * 0.03
    dz = (predicted - true) / (1 + true)
    found = measure(true, predicted)
    assert found["mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(true, predicted))
    assert found["rms"] == pytest.approx(sklearn.metrics.root_mean_squared_error(true, predicted))
    assert found["bias_mean"] == pytest.approx(stats.describe(dz).mean)
    assert found["bias_median"] == pytest.approx(stats.scoreatpercentile(dz, 50))
    # They know the factor 1.4826 to all its digits.
    assert found["nmad"] == pytest.approx(stats.median_abs_deviation(dz, scale="normal"), rel=2e-6)
    assert found["nmad"] == pytest.approx(mad_std(dz), rel=2e-6)
    assert found["outliers_15"] == pytest.approx(1 - stats.percentileofscore(np.abs(dz), 0.15) / 100)
    assert found["outliers_05"] == pytest.approx(1 - stats.percentileofscore(np.abs(dz), 0.05) / 100)
    assert 0.01 < found["outliers_15"] < found["outliers_05"]


def test_bins_hold_mean_error_population_sigma_and_percent() -> None:
    true = [0.01, 0.02, 0.05, 0.6]
    predicted = [0.02, 0.05, 0.04, 0.3]
    table = by_redshift(true, predicted)
    assert [row.count for row in table] == [2, 1, *[0] * 9, 1]
    assert (table[0].low, table[0].high, table[0].percent) == (0.0, 0.05, 50.0)
    assert table[0].mean_error == pytest.approx(0.02)
    assert table[0].sigma == pytest.approx(0.01)
    assert table[1].mean_error == pytest.approx(-0.01)
    assert table[11].mean_error == pytest.approx(-0.3)
    assert math.isnan(table[5].mean_error)
    assert math.isnan(table[5].sigma)


def test_bins_by_prediction_clip_what_lies_outside() -> None:
    table = by_redshift([0.1, 0.1], [-0.02, 0.7], binned_by=[-0.02, 0.7])
    assert [row.count for row in table] == [1, *[0] * 10, 1]


@pytest.mark.parametrize(
    ("true", "predicted"), [([], []), ([0.1], [0.1, 0.2]), ([0.1], [math.nan]), ([math.inf], [0.1]), ([[0.1]], [[0.1]])]
)
def test_redshifts_that_cannot_be_compared_are_refused(true: list[float], predicted: list[float]) -> None:
    with pytest.raises(ValueError, match=r"two columns of one length|not finite"):
        measure(true, predicted)
