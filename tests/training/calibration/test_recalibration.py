"""Intervals that hold on labelled galaxies, and a cross-validation that says so of galaxies it has not seen."""

import numpy as np
import pytest

from gaia_redshift.interpretation.bins import Bins
from gaia_redshift.interpretation.calibration import Calibration, IntervalTable
from gaia_redshift.spectra import DR3
from training.calibration.correction import Correction
from training.calibration.recalibration import CLASS_GALAXIES, Labelled, Recalibration

EDGES = np.linspace(0, 0.6, 61).round(9)
MIDDLE = (EDGES[1:] + EDGES[:-1]) / 2
FLAT = [1 / 60] * 60


def table(low95: float, low68: float, high68: float, high95: float) -> IntervalTable:
    ends = {"lower95": low95, "lower68": low68, "upper68": high68, "upper95": high95}
    return IntervalTable(redshift=[0.1, 0.3], **{name: [value, value * 1.0] for name, value in ends.items()})


def calibration(tables: list[IntervalTable], edges: list[float], *, density: bool) -> Calibration:
    intervals = {"survey": tables, "flat": tables} if density else {"survey": tables}
    more = {"kinds": ["galaxy", "star"], "prior_train": FLAT, "prior_survey": FLAT} if density else {}
    return Calibration(
        flux_min=[0.0] * DR3.samples,
        flux_max=[1.0] * DR3.samples,
        brightness_edges=edges,
        intervals=intervals,
        **more,
    )


POINT = calibration([table(-0.04, -0.02, 0.02, 0.04)], [], density=False)
DENSITY = calibration([table(0.025, 0.16, 0.84, 0.975)], [], density=True)


def galaxies(count: int, scatter: float, seed: int = 3, bright: float = 1.0) -> Labelled:
    """Return galaxies whose densities are Gaussians of width .02 around redshifts with another scatter."""
    random = np.random.default_rng(seed)
    true = random.uniform(0.1, 0.4, count)
    seen = true + random.normal(0, scatter, count)
    density = np.exp(-0.5 * ((MIDDLE - seen[:, None]) / 0.02) ** 2)
    output = {
        "redshift": seen.astype(np.float32),
        "density": (density / density.sum(axis=1, keepdims=True)).astype(np.float32),
    }
    flux = np.full((count, DR3.samples), bright, np.float32)
    return Labelled(flux, true, np.arange(count), output)


@pytest.mark.parametrize("scatter", [0.01, 0.04])
@pytest.mark.parametrize("known", [POINT, DENSITY], ids=["point", "density"])
def test_intervals_that_hold_too_much_or_too_little_come_to_hold_their_share(
    known: Calibration, scatter: float
) -> None:
    recalibration = Recalibration(known, Bins(EDGES.tolist(), known) if known is DENSITY else None)
    found = recalibration.learn(galaxies(1000, scatter))
    fresh = recalibration.judge(galaxies(20_000, scatter, seed=4), found.correction, found.calibration)
    for prior, judged in fresh.items():
        before = found.before[prior].inside68.mean()
        assert before < 0.5 if scatter > 0.02 else before > 0.85
        assert judged.inside68.mean() == pytest.approx(0.68, abs=0.04)
        assert judged.inside95.mean() == pytest.approx(0.95, abs=0.02)
        # New galaxies agree with the cross-validation.
        assert found.after[prior].inside68.mean() == pytest.approx(judged.inside68.mean(), abs=0.05)


def test_the_intervals_keep_their_shape_over_redshift_and_hold_their_prediction() -> None:
    wide = table(-0.04, -0.02, 0.02, 0.04).model_copy(update={"upper68": [0.01, 0.03], "upper95": [0.02, 0.06]})
    known = calibration([wide], [], density=False)
    recalibration = Recalibration(known, None)
    (made,) = recalibration.rescaled(recalibration.held(galaxies(400, 0.04), Correction())).intervals["survey"]
    assert made.upper68[1] / made.upper68[0] == pytest.approx(3)
    assert made.lower95[0] <= made.lower68[0] <= 0 <= made.upper68[0] <= made.upper95[0]


def test_a_class_of_brightness_with_enough_galaxies_gets_factors_of_its_own() -> None:
    tables = [table(-0.04, -0.02, 0.02, 0.04)] * 2
    recalibration = Recalibration(calibration(tables, [0.5], density=False), None)
    faint, bright = galaxies(CLASS_GALAXIES, 0.06, bright=0.2), galaxies(CLASS_GALAXIES, 0.01, bright=2.0)
    both = Labelled(
        np.concatenate([faint.flux, bright.flux]),
        np.concatenate([faint.true, bright.true]),
        np.arange(2 * CLASS_GALAXIES),
        {"redshift": np.concatenate([faint.output["redshift"], bright.output["redshift"]])},
    )
    apart = recalibration.rescaled(recalibration.held(both, Correction())).intervals["survey"]
    assert apart[0].upper68[0] > 3 * apart[1].upper68[0]
    kept = np.arange(len(both.true)) % 2 == 0
    together = recalibration.rescaled(recalibration.held(both.rows(kept), Correction())).intervals["survey"]
    assert together[0].upper68 == together[1].upper68


def test_spectra_of_one_family_are_never_on_both_sides_of_the_cross_validation() -> None:
    # Pairs of copies: if they were separated, the correction would be fitted to the copy of one held back.
    one = galaxies(150, 0.04)
    copies = np.repeat(np.arange(150), 2)
    pairs = Labelled(one.flux[copies], one.true[copies], copies, {n: v[copies] for n, v in one.output.items()})
    found = Recalibration(POINT, None).learn(pairs)
    inside = found.after["survey"].inside68
    assert (inside[::2] == inside[1::2]).all()
    assert (found.after["survey"].predicted[::2] == found.after["survey"].predicted[1::2]).all()


def test_the_answers_of_the_folds_come_back_in_the_order_of_the_galaxies() -> None:
    known = galaxies(300, 0.001)
    found = Recalibration(POINT, None).learn(known)
    np.testing.assert_allclose(found.after["survey"].predicted, known.true, atol=0.02)
