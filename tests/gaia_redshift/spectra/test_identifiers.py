from typing import Any

import numpy as np
import pyarrow
import pytest

from gaia_redshift.spectra import FLOAT_IDS, read_identifiers

LARGE = 5853498713190525696


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ([LARGE, "a", None], [LARGE, "a", None]),
        (np.array([LARGE, 1]), [LARGE, 1]),
        (np.array([LARGE], np.uint64), [LARGE]),
        (np.array([LARGE], ">i8"), [LARGE]),
        (np.array(["x", "y"]), ["x", "y"]),
        (np.array([b"x"]), ["x"]),
        ([np.int64(LARGE), np.str_("s")], [LARGE, "s"]),
        ([LARGE, float("nan")], [LARGE, None]),
        (np.ma.array([LARGE, 2], mask=[False, True]), [LARGE, None]),
        (range(3), [0, 1, 2]),
        ("5853", ["5853"]),
        (pyarrow.array([LARGE, None]), [LARGE, None]),
    ],
)
def test_identifiers_keep_their_type_and_every_digit(given: Any, read: list[Any]) -> None:
    found = read_identifiers(given)
    assert list(found) == read
    assert [type(one) for one in found] == [type(one) for one in read]


@pytest.mark.parametrize(
    "floats", [[5.85e18], np.array([5e18, 1.0]), [LARGE, 5e18], np.array([np.nan, 5e18]), pyarrow.array([5e18])]
)
def test_floats_are_refused_with_one_message(floats: Any) -> None:
    with pytest.raises(ValueError, match="cannot hold Gaia's 64-bit ids") as caught:
        read_identifiers(floats)
    assert str(caught.value) == FLOAT_IDS


@pytest.mark.parametrize(("given", "message"), [([True], "bool"), ([{}], "dict"), (np.ones((2, 2), int), "2 dim")])
def test_what_names_no_source_is_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_identifiers(given)
