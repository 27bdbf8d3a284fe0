"""Answers for corrected spectra: the redshift of one spectrum, flags and least widths of another."""

import numpy as np
import pytest

from gaia_redshift.interpretation.dust import Corrected
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import DR3, FloatArray

FLUX = np.random.default_rng(1).uniform(1, 9, (3, DR3.samples)).astype(np.float32)
EBV = np.array([np.nan, 0.3, 0.5])


def corrected(ebv: np.ndarray | None = EBV) -> Corrected:
    return Corrected(FLUX, ebv, DR3, left=0.03, highest=0.6)


def bits(*flags: QualityFlag) -> int:
    return sum(1 << FLAGS.index(flag) for flag in flags)


def shape(flux: FloatArray) -> FloatArray:
    return flux / flux.mean(axis=1, keepdims=True)


def test_without_an_ebv_or_by_a_wrong_one_nothing_changes() -> None:
    for none in (None, np.full(3, np.nan), np.array([np.nan, -0.1, 1e300]), np.array([np.inf, 3, np.nan])):
        made = corrected(none)
        assert made.flux is FLUX
        found = Redshifts(np.zeros((3, 5)), np.zeros(3, np.int32))
        assert made.together(found) is found


def test_corrected_spectra_are_answered_twice_once_at_the_noise_that_was_observed() -> None:
    made = corrected()
    assert len(made) == 5
    np.testing.assert_array_equal(made.flux[0], FLUX[0])
    assert (made.flux[1:3] > FLUX[1:]).all()
    np.testing.assert_allclose(shape(made.flux[3:]), shape(made.flux[1:3]), rtol=1e-5)
    assert (made.flux[3:].mean(axis=1) < made.flux[1:3].mean(axis=1)).all()


def test_flags_of_noise_come_from_the_observed_noise_and_those_of_the_redshift_from_the_redshift() -> None:
    flags = [
        bits("low_signal"),
        bits("noise_mismatch", "out_of_distribution", "bimodal"),
        bits("stellar_like"),
        bits("near_range_edge", "low_signal"),
        bits("out_of_distribution"),
    ]
    found = corrected().together(Redshifts(np.full((5, 5), 0.1), np.array(flags, np.int32)))
    assert found.flags.tolist() == [bits("low_signal"), bits("bimodal", "low_signal"), bits("out_of_distribution")]


def test_intervals_are_at_least_as_wide_as_those_at_the_observed_noise_and_stay_in_range() -> None:
    values = np.array(
        [
            [0.1, 0.09, 0.11, 0.08, 0.12],
            [0.1, 0.09, 0.11, 0.08, 0.12],
            [0.03, 0.02, 0.57, 0.0, 0.58],
            [0.2, 0.17, 0.205, 0.05, 0.21],
            [0.2, 0.1, 0.3, 0.05, 0.8],
        ]
    )
    found = corrected().together(Redshifts(values, np.zeros(5, np.int32))).values
    assert found[0].tolist() == values[0].tolist()
    assert found[1].tolist() == pytest.approx([0.1, 0.07, 0.11, 0.0, 0.12])
    assert found[2].tolist() == pytest.approx([0.03, 0.0, 0.57, 0.0, 0.6], abs=1e-9)


def test_a_second_answer_without_a_redshift_changes_nothing() -> None:
    values = np.full((5, 5), 0.1)
    values[4] = np.nan
    flags = np.array([0, 0, bits("noise_mismatch"), 0, 0], np.int32)
    found = corrected().together(Redshifts(values, flags))
    assert found.values[2].tolist() == [0.1] * 5
    assert found.flags[2] == bits("noise_mismatch")
