"""A prior of the user's: read with care, spread over the bins without loss."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.errors import InvalidInputError, InvalidRequestError
from gaia_redshift.interpretation.prior import PriorTable
from gaia_redshift.tables.prior import find_prior, read_prior

EDGES = np.linspace(0, 0.6, 13)


def test_a_constant_prior_gives_each_bin_its_width() -> None:
    uneven = np.array([0.0, 0.1, 0.15, 0.6])
    found = PriorTable(redshift=[0.0, 0.6], density=[7.0, 7.0]).on_bins(uneven)
    assert found == pytest.approx(np.diff(uneven) / 0.6)


def test_a_triangle_within_one_bin_lands_there_whole() -> None:
    found = PriorTable(redshift=[0.11, 0.12, 0.13], density=[0.0, 5.0, 0.0]).on_bins(EDGES)
    assert found[2] == pytest.approx(1)
    assert found.sum() == pytest.approx(1)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=2, max_size=20), st.floats(0.01, 1), st.floats(0, 0.3))
def test_any_prior_sums_to_one_or_is_refused(density: list[float], reach: float, start: float) -> None:
    nodes = np.linspace(start, start + reach, len(density)).tolist()
    prior = PriorTable(redshift=nodes, density=density)
    try:
        found = prior.on_bins(EDGES)
    except InvalidRequestError:
        assert max(density) < 1e-300 or start >= 0.6 or max(density) == 0
        return
    assert found.sum() == pytest.approx(1)
    assert (found >= 0).all()


@pytest.mark.parametrize(
    ("redshift", "density", "reason"),
    [
        ([0.1], [1.0], "at least 2"),
        ([0.1, 0.1], [1.0, 1.0], r"redshift\[1\] = 0.1 follows 0.1"),
        ([0.1, 0.2], [1.0], "at least 2"),
        ([0.1, 0.2, 0.3], [1.0, 1.0], "3 redshifts but 2 densities"),
        ([0.1, 0.2], [1.0, -1.0], "greater than or equal to 0"),
        ([0.1, float("nan")], [1.0, 1.0], "finite"),
    ],
)
def test_what_makes_no_prior_is_refused(redshift: list[float], density: list[float], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PriorTable(redshift=redshift, density=density)


def test_a_prior_outside_the_bins_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"zero at every redshift from 0 to 0\.6"):
        PriorTable(redshift=[0.7, 0.9], density=[1.0, 1.0]).on_bins(EDGES)


def test_a_file_gives_the_prior_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "prior.csv"
    path.write_text("Density, Redshift\n0,0\n4,0.1\n0,0.6\n")
    assert read_prior(path) == PriorTable(redshift=[0, 0.1, 0.6], density=[0, 4, 0])
    assert find_prior("flat") == "flat"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("z,density\n0,1\n", "redshift is missing"),
        ("redshift,density\n0,1\nx,1\n", "row 3 holds 'x', which is not a number"),
        ("redshift,density\n0,1\n0.5\n", "row 3 has too few cells"),
        ("redshift,density\n0.5,1\n0.1,1\n", "must increase"),
        ("", "redshift is missing"),
    ],
)
def test_a_file_that_holds_no_prior_is_refused_with_its_place(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "prior.csv"
    path.write_text(text)
    with pytest.raises(InvalidInputError, match=reason):
        read_prior(path)


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="neither survey, flat, nor a file"):
        find_prior(str(tmp_path / "none.csv"))
