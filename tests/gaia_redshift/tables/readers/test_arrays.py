"""Arrays that stand as text, by simdjson, by orjson where it is missing, and number by number."""

import math

import numpy as np
import pytest

from gaia_redshift.tables.readers import arrays
from gaia_redshift.tables.readers.arrays import read_arrays


@pytest.fixture(params=["simdjson", "orjson"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "orjson":
        monkeypatch.setattr(arrays, "_simdjson", None)
    elif arrays._simdjson is None:
        pytest.skip("pysimdjson is not installed")
    return str(request.param)


def test_numbers_are_read_to_the_last_bit_in_both_brackets(parser: str) -> None:
    numbers = np.random.default_rng(1).normal(0, 1, (50, 7)) * 10.0 ** np.arange(-3, 4)
    cells = [str(tuple(row) if number % 2 else list(row)).encode() for number, row in enumerate(numbers.tolist())]
    column, problems = read_arrays("a", cells)
    assert (column.to_pylist(), problems) == (numbers.tolist(), {})


def test_what_is_no_json_is_read_number_by_number_and_what_is_no_number_is_named(parser: str) -> None:
    cells = [
        b"[1, 2]", b"[+1, .5]", b"[NaN, 2]", b"[1, null]", b"[1, true]", b"[1; 2]", b"", None, b" (3, 4) ", b"[]",
        b"[1], [2]", b"\xff\xfe", b"null", b"[1e400, 2]", b"[[1, 2]]",
    ]  # fmt: skip
    column, problems = read_arrays("bp", cells)
    found = column.to_pylist()
    assert [found[row] for row in (0, 1, 6, 7, 8, 9, 12)] == [[1, 2], [1, 0.5], None, None, [3, 4], [], None]
    assert math.isnan(found[2][0])
    assert {row: problem.code for row, problem in problems.items() if row not in {13, 14}} == {
        3: "missing_value", 4: "not_a_number", 5: "not_a_number", 10: "not_a_number", 11: "not_a_number",
    }  # fmt: skip
    assert problems[3].message == "bp[1] is empty"
