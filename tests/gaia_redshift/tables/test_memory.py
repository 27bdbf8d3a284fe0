"""Columns in memory as Arrow's: masks, bytes, and objects of any kind."""

from typing import Any

import numpy as np
import pytest

from gaia_redshift.tables.memory import to_arrow_column


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.array([b"M31", b"caf\xe9"]), "string", ["M31", "caf�"]),
        (np.array(["M31", "M33"]), "string", ["M31", "M33"]),
        (np.ma.array(["M31", "M33"], mask=[False, True]), "string", ["M31", None]),
        (np.ma.array([1, 2], mask=[True, False]), "int64", [None, 2]),
        (np.array([None, 2.5], object), "double", [None, 2.5]),
        (np.ma.array([[1, 2], [3, 4]], mask=[[True, True], [False, False]]), "list", [[None, None], [3, 4]]),
    ],
)
def test_a_column_keeps_its_type_and_what_is_masked_is_missing(values: Any, kind: str, expected: list[Any]) -> None:
    found = to_arrow_column(values)
    assert kind in str(found.type)
    assert found.to_pylist() == expected


def test_objects_of_no_one_type_are_refused_with_their_types() -> None:
    with pytest.raises(ValueError, match="holds complex, str, which cannot be read as one type"):
        to_arrow_column(np.array(["a", 1j], object))
