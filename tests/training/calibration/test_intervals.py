from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gaia_redshift.interpretation.calibration import ENDS, Calibration
from training.calibration.intervals import CLASS_GALAXIES, NODE_GALAXIES, NODE_WIDTH, Held, calibrate, node_groups
from training.calibration.reference import interval_ends

RANGE = np.zeros(186), np.ones(186)


def spectra(rows: int, level: float | np.ndarray = 1.0) -> np.ndarray:
    """Return spectra whose brightness is `level`."""
    return np.ones((rows, 186), np.float32) * np.reshape(level, (-1, 1)).astype(np.float32)


def learnt(predicted: np.ndarray, true: np.ndarray, flux: np.ndarray, flux_range: tuple = RANGE) -> Calibration:
    """Return the calibration of a point network."""
    return calibrate({"survey": Held(flux, predicted, true - predicted)}, 0.0, flux_range)


def coverage(calibration: Calibration, flux: np.ndarray, predicted: np.ndarray, true: np.ndarray) -> list[float]:
    """Return the fractions of true redshifts in the 68 and in the 95% interval."""
    low95, low68, high68, high95 = interval_ends(calibration, "survey", flux, predicted)
    error = true - predicted
    return [float(((low <= error) & (error <= high)).mean()) for low, high in ((low68, high68), (low95, high95))]


def offsets(calibration: Calibration) -> list[list[float]]:
    (table,) = calibration.intervals["survey"]
    return [getattr(table, end) for end in ENDS]


def test_offsets_are_the_finite_sample_quantiles_of_the_errors() -> None:
    # 199 errors -99..99: rank ceil(200 * 0.975) = 195 leaves 4 beyond, ceil(200 * 0.84) = 168 leaves 31.
    error = np.arange(-99, 100) / 1000
    predicted = np.full(199, 0.2)
    true = predicted + np.random.default_rng(0).permutation(error)
    calibration = learnt(predicted, true, spectra(199))
    assert calibration.intervals["survey"][0].redshift == [0.2]
    found = np.array(offsets(calibration))[:, 0]
    np.testing.assert_allclose(found, [-0.095, -0.068, 0.068, 0.095], atol=1e-12)


def test_intervals_from_few_galaxies_are_their_extremes() -> None:
    predicted = np.linspace(0.1, 0.2, 10)
    lower, _, _, upper = offsets(learnt(predicted, predicted + 0.01 * np.arange(-5, 5), spectra(10)))
    assert lower == [pytest.approx(-0.05)]
    assert upper == [pytest.approx(0.04)]


def test_intervals_hold_their_share_of_new_galaxies_at_every_redshift() -> None:
    random = np.random.default_rng(1)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        predicted = random.gamma(3.2, 0.044, count)
        bright = random.lognormal(1, 0.6, count)
        # Scatter grows with redshift and towards the faint, bias with redshift, and the errors are skewed.
        error = (0.01 + 0.2 * predicted) * (random.gamma(2, 1, count) - 1.5) / np.sqrt(bright)
        return predicted, predicted + error, spectra(count, bright)

    calibration = learnt(*draw(40_000))
    predicted, true, flux = draw(40_000)
    bright = flux[:, 0]
    assert len(calibration.brightness_edges) == 3
    assert 4 * CLASS_GALAXIES < 40_000
    cuts = [(predicted, low, high) for low, high in ((0.0, 1.0), (0.0, 0.06), (0.1, 0.12), (0.25, 0.3), (0.35, 0.6))]
    quartiles = [0.0, *calibration.brightness_edges, np.inf]
    for value, low, high in [*cuts, *((bright, low, high) for low, high in pairwise(quartiles))]:
        inside = (value >= low) & (value < high)
        held68, held95 = coverage(calibration, flux[inside], predicted[inside], true[inside])
        tolerance = 4 * np.sqrt(0.25 / inside.sum()) + 0.01
        assert held68 == pytest.approx(0.68, abs=tolerance)
        assert held95 == pytest.approx(0.95, abs=tolerance / 2)


def test_intervals_hold_the_prediction_and_are_nested_even_when_all_errors_have_one_sign() -> None:
    predicted = np.random.default_rng(2).uniform(0, 0.5, 5000)
    calibration = learnt(predicted, predicted + 0.03, spectra(5000))
    wide_low, low, high, wide_high = np.array(offsets(calibration))
    assert (wide_low <= low).all()
    assert (low <= 0).all()
    assert (high >= 0.03 - 1e-9).all()
    assert (high <= wide_high).all()


@given(st.integers(1, 3000), st.integers(1, 50), st.integers(0, 3))
def test_nodes_are_wide_and_full_and_increase(count: int, distinct: int, seed: int) -> None:
    predicted = np.sort(np.random.default_rng(seed).gamma(2, 0.05, distinct)[np.arange(count) % distinct])
    groups = node_groups(predicted)
    assert [group.start for group in groups] == [0, *[group.stop for group in groups[:-1]]]
    assert groups[-1].stop == count
    for group, following in pairwise(groups):
        assert group.stop - group.start >= NODE_GALAXIES
        assert predicted[following.start] - predicted[group.start] >= NODE_WIDTH
        assert predicted[following.start] > predicted[group.stop - 1]
    if len(groups) > 1:
        assert count - groups[-1].start >= NODE_GALAXIES


def test_the_flux_range_is_kept_and_must_have_186_samples() -> None:
    predicted = np.linspace(0, 0.5, 300)
    found = learnt(predicted, predicted, spectra(300), (np.arange(186.0), RANGE[1]))
    assert found.flux_min[185] == 185.0
    with pytest.raises(ValueError, match="186"):
        learnt(predicted, predicted, spectra(300), (np.zeros(5), np.ones(5)))
