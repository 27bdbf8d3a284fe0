import csv
import io
from typing import Any

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import DR3, Problem, SpectrumBatch
from gaia_redshift.tables.csv import read_csv, write_csv
from gaia_redshift.tables.readers.delimited import Delimited

NAMES = [f"flux_{number}" for number in range(DR3.samples)]
HEADER = ",".join(["source_id", *NAMES])
ROW = [str(0.25 * number) for number in range(DR3.samples)]


def table(*rows: list[str], header: str = HEADER, end: str = "\n") -> bytes:
    return end.join([header, *(",".join(row) for row in rows), ""]).encode()


def read_all(content: bytes, **options: Any) -> SpectrumBatch:
    batches = list(read_csv(io.BytesIO(content), **options))
    ids: list[str | None] = [one for batch in batches for one in batch.source_id or []]
    problems: dict[int, Problem] = {}
    start = 0
    for batch in batches:
        problems.update({start + row: problem for row, problem in batch.problems.items()})
        start += len(batch)
    return SpectrumBatch(np.concatenate([batch.flux for batch in batches]), ids or None, problems)


def changed(position: int, cell: str) -> list[str]:
    return ["7", *(cell if index == position else value for index, value in enumerate(ROW))]


def test_fluxes_and_identifiers_arrive_in_order() -> None:
    batch = read_all(table(["4295806720", *ROW], ["", *ROW[::-1]]))
    assert batch.flux.tolist() == [[float(value) for value in ROW], [float(value) for value in ROW[::-1]]]
    assert batch.source_id == ["4295806720", None]
    assert not batch.problems


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_a_byte_order_mark_blank_lines_and_spaces_do_not_matter(end: str) -> None:
    rows = ["1", *(f" {value} " for value in ROW)]
    content = b"\xef\xbb\xbf" + end.encode() + table(rows, [], ["2", *ROW], end=end)
    batch = read_all(content)
    assert batch.source_id == ["1", "2"]
    assert (batch.flux == [float(value) for value in ROW]).all()


def test_quoted_cells_and_line_ends_inside_them_are_one_cell() -> None:
    content = table(['"a,""b""\nc"', *ROW], ['"d"', *ROW])
    for block_bytes in (1, 40, 4096):
        assert read_all(content, block_bytes=block_bytes).source_id == ['a,"b"\nc', "d"]


@pytest.mark.parametrize(
    ("row", "code", "message"),
    [
        (changed(3, ""), "missing_value", "flux_3 is empty"),
        (changed(3, "  "), "missing_value", "flux_3 is empty"),
        (changed(3, "abc"), "not_a_number", "flux_3 is 'abc'"),
        (changed(185, "1_000"), "not_a_number", "flux_185 is '1_000'"),
        (changed(0, "0x10"), "not_a_number", "flux_0 is '0x10'"),
        (changed(0, "1,5"), "ragged_row", "188 cells, the header 187"),
        (["7", *ROW[:-1]], "ragged_row", "186 cells, the header 187"),
        (["7"], "ragged_row", "1 cell, the header 187"),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_a_bad_row_keeps_its_place_with_its_reason(row: list[str], code: str, message: str, large: bool) -> None:
    good = [["1", *ROW]] * (300 if large else 1)
    batch = read_all(table(*good, row, *good))
    assert len(batch) == 2 * len(good) + 1
    assert list(batch.problems) == [len(good)]
    assert batch.problems[len(good)].code == code
    assert message in batch.problems[len(good)].message
    assert (batch.flux[batch.usable()] == [float(value) for value in ROW]).all()


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", "1e999"])
def test_numbers_that_are_not_finite_become_a_problem_of_their_row(cell: str) -> None:
    batch = read_all(table(changed(3, cell), ["8", *ROW])).checked()
    assert {row: problem.code for row, problem in batch.problems.items()} == {0: "not_finite"}


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidTableError, match="the file is empty"):
        read_all(content)


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(InvalidTableError, match="no rows"):
        list(read_csv(io.BytesIO(table())))


@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\x00\x00", bytes(range(256)) * 30, b"PK\x03\x04" + b"\x00" * 99]
)
def test_binary_data_are_not_csv(content: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="not CSV"):
        read_all(content)


def test_binary_data_after_good_rows_are_not_csv() -> None:
    with pytest.raises(MalformedBodyError, match="not UTF-8"):
        read_all(table(["1", *ROW]) + b"\xff\xfe\n")


def test_a_cell_beyond_the_parsers_limit_is_refused() -> None:
    with pytest.raises(MalformedBodyError, match="field larger"):
        read_all(table(["x" * 200_000, *ROW[:-1], "not a number"]))


def test_a_quote_that_never_closes_is_refused_before_it_fills_the_memory() -> None:
    content = io.BytesIO(table(['"open', *ROW]) + b"1,2\n" * 1_000_000)
    with pytest.raises(MalformedBodyError, match="an open quote"):
        list(read_csv(content, block_bytes=1 << 16))
    assert content.tell() < 1.5 * 2**20


cells = st.sampled_from(
    ["1", "-0.5", "2.5e-3", ".5", "5.", "+1", "nan", "1e300", "", " 3 ", "x", "1e", "--1", '"4"', "NA"]
)


@settings(max_examples=15)  # each reads a table twice
@given(st.lists(st.tuples(st.integers(0, DR3.samples - 1), cells), max_size=6), st.integers(1, 40))
def test_the_fast_reader_reads_what_the_slow_one_reads(changes: list[tuple[int, str]], block_rows: int) -> None:
    rows = [changed(position, cell) for position, cell in changes] + [["9", *ROW]]
    content = table(*rows)
    fast = read_all(content, block_bytes=block_rows * 1000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Delimited, "_parse", as_text)
        slow = read_all(content)
    assert fast.source_id == slow.source_id
    assert fast.problems == slow.problems
    usable = slow.usable()
    assert np.array_equal(fast.flux[usable], slow.flux[usable], equal_nan=True)


def as_text(self: Any, content: bytes, quoted: bool, columns: Any, typed: Any, point: str) -> Any:
    """Read every cell as text, and none as a number."""
    if typed:
        raise pyarrow.ArrowInvalid("not now")
    return PARSE(self, content, quoted, columns, typed, point)


PARSE = Delimited._parse


def test_a_large_clean_block_is_read_by_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gaia_redshift.tables.text.numbers", None)
    assert len(read_all(table(*[["1", *ROW]] * 2000))) == 2000


@pytest.mark.parametrize(("block_bytes", "rows"), [(1, 8), (999, 30), (5000, 50), (1 << 20, 50)])
def test_no_row_is_lost_or_doubled_at_the_edges_of_blocks(block_bytes: int, rows: int) -> None:
    content = table(*[[str(number), *ROW] for number in range(rows)])
    for whole in (content, content[:-1]):
        assert read_all(whole, block_bytes=block_bytes).source_id == [str(number) for number in range(rows)]


def predictions(*, named: bool) -> Predictions:
    values = np.array([[0.1, 0.09, 0.11, 0.08, 0.12], [np.nan] * 5])
    redshifts = Redshifts(values, np.array([1 << FLAGS.index("near_range_edge"), 0], np.int32))
    problem = Problem("not_a_number", "flux_3 is 'a,b'")
    return Predictions(redshifts, ["5", None] if named else None, {1: problem})


def test_good_and_bad_rows_are_written_in_order() -> None:
    lines = list(csv.DictReader(io.StringIO(write_csv(predictions(named=True), header=True))))
    assert lines[0] == {
        "source_id": "5",
        "redshift": "0.100000",
        "redshift_lower": "0.090000",
        "redshift_upper": "0.110000",
        "redshift_lower95": "0.080000",
        "redshift_upper95": "0.120000",
        "quality": "near_range_edge",
        "status": "ok",
        "error": "",
    }
    assert lines[1]["status"] == "error"
    assert lines[1]["error"] == "not_a_number: flux_3 is 'a,b'"
    assert lines[1]["redshift"] == ""


def test_a_table_without_identifiers_gets_none() -> None:
    assert write_csv(predictions(named=False), header=True).startswith("redshift,")
    assert write_csv(predictions(named=False), header=False).startswith("0.100000,")
