import numpy as np
import pytest

from gaia_redshift.interpretation.quality import FLAGS, QualityParameters, flag_names, possible_flags
from gaia_redshift.interpretation.result import COLUMNS, Redshifts


def answers(rows: int, bins: int = 0) -> Redshifts:
    values = np.arange(rows * len(COLUMNS), dtype=np.float64).reshape(rows, len(COLUMNS))
    pdf = np.arange(rows * bins, dtype=np.float64).reshape(rows, bins) if bins else None
    return Redshifts(values, np.arange(1, rows + 1, dtype=np.int32), pdf)


def test_every_column_has_its_name() -> None:
    found = answers(3)
    assert [getattr(found, name).tolist() for name in COLUMNS] == found.values.T.tolist()


@pytest.mark.parametrize("bins", [0, 4])
def test_rows_that_were_not_predicted_hold_nan_and_the_others_keep_their_places(bins: int) -> None:
    found = answers(3, bins).without(np.array([False, True, False]))
    assert len(found) == 3
    assert found.values[[0, 2]].tolist() == answers(3).values[[0, 2]].tolist()
    assert np.isnan(found.values[1]).all()
    assert found.flags.tolist() == [1, 0, 3]
    assert found.flags.dtype == np.int32
    if bins:
        assert found.pdf[[0, 2]].tolist() == answers(3, bins).pdf[[0, 2]].tolist()
        assert np.isnan(found.pdf[1]).all()
    else:
        assert found.pdf is None


@pytest.mark.parametrize("bins", [0, 4])
def test_answers_are_spread_over_the_rows_that_could_be_predicted(bins: int) -> None:
    there = np.array([False, True, False, True, True])
    found = answers(3, bins).spread(there)
    assert found.values[there].tolist() == answers(3).values.tolist()
    assert np.isnan(found.values[~there]).all()
    assert (found.flags.tolist(), found.flags.dtype) == ([0, 1, 0, 2, 3], np.int32)
    if bins:
        assert found.pdf[there].tolist() == answers(3, bins).pdf.tolist()
        assert np.isnan(found.pdf[~there]).all()
    else:
        assert found.pdf is None


def test_a_part_keeps_its_densities() -> None:
    part = answers(5, 3).part(1, 3)
    assert (part.values == answers(5).values[1:3]).all()
    assert part.flags.tolist() == [2, 3]
    assert (part.pdf == answers(5, 3).pdf[1:3]).all()
    assert answers(5, 3).part(1, 3, pdf=False).pdf is None


def test_parts_are_joined_in_their_order() -> None:
    whole = answers(5, 3)
    joined = Redshifts.join([whole.part(0, 2), whole.part(2, 5)])
    assert (joined.values == whole.values).all()
    assert (joined.flags == whole.flags).all()
    assert (joined.pdf == whole.pdf).all()


def test_bits_are_flags_in_their_order() -> None:
    assert flag_names(0) == ()
    assert flag_names(2 ** len(FLAGS) - 1) == FLAGS
    assert [flag_names(1 << bit) for bit in range(len(FLAGS))] == [(flag,) for flag in FLAGS]
    assert flag_names(0b10010) == ("outside_training_range", "near_range_edge")


def test_a_model_has_the_flags_that_it_has_learnt() -> None:
    assert possible_flags(None, density=False) == (
        "outside_training_range",
        "out_of_distribution",
        "near_range_edge",
        "missing_band",
    )
    learnt = QualityParameters([], [], [], [], [], [], [], 0.0, 2.0, 0.1)
    assert possible_flags(learnt, density=True) == FLAGS
    assert set(FLAGS) - set(possible_flags(learnt, density=False)) == {"bimodal", "stellar_like"}
