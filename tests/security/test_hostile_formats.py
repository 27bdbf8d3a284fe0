"""What can be done to the service by tables of the formats that pack, and by any table at ``/predict/table``."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pytest

from app.serving.rows import MOST_WITHOUT
from gaia_redshift.media import ARROW
from tests.security.bombs import arrow_bombs, many_rows, parquet_bombs
from tests.security.corpus import NAMES, ROW
from tests.security.files import PARQUET, broken, empty_rows, strange
from tests.security.hostile import Target, expect_refusal

CASES = Path(__file__).parents[3] / "shared" / "cases" / "security"


@pytest.mark.parametrize(("bombs", "kind"), [(parquet_bombs, PARQUET), (arrow_bombs, ARROW)], ids=["parquet", "arrow"])
def test_no_table_unpacks_to_more_than_memory_holds(
    target: Target, bombs: Callable[[], Iterator[tuple[str, bytes]]], kind: str
) -> None:
    for name, content in bombs():
        assert len(content) < 1 << 20, name
        with target.watched():
            reply = target.post("/predict/table", content, kind)
        assert expect_refusal(reply, 400, 422), name


def test_no_file_of_any_format_takes_memory_or_time_or_an_unexpected_error(target: Target) -> None:
    for name, content, kind in broken():
        with target.watched():
            reply = target.post("/predict/table", content, kind)
        assert expect_refusal(reply, 400, 413, 422) != "internal_error", name
    assert "unexpected error of a table reader" not in target.log.read_text()


def test_what_cannot_be_written_is_refused(target: Target) -> None:
    """A time zone that nobody knows; it is found when the answer is written."""
    flux = pyarrow.array([[float(number) for number in ROW.split(",")]], pyarrow.list_(pyarrow.float32()))
    when = pyarrow.array([0], pyarrow.timestamp("s", tz="nowhere"))
    sink = pyarrow.BufferOutputStream()
    table = pyarrow.table({"flux": flux, "when": when})
    with pyarrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    for form in ("csv", "ecsv", "fits", "jsonl", "parquet", "arrow"):
        with target.watched():
            reply = target.post(f"/predict/table?format={form}", sink.getvalue().to_pybytes(), ARROW)
        if reply.status != 200:
            expect_refusal(reply, 400, 422)


def test_a_table_of_rows_without_spectra_is_refused_and_not_answered_row_by_row(target: Target) -> None:
    """As many rows as are answered one by one, and a block more, in a few bytes each."""
    for name, content, kind in empty_rows(MOST_WITHOUT + 5000):
        with target.watched():
            reply = target.post("/predict/table", content, kind)
        assert expect_refusal(reply, 400, 422) in {"invalid_table", "malformed_body"}, name


def test_a_table_with_spectra_in_some_rows_is_answered_in_every_row(target: Target) -> None:
    """A catalogue of which one row in three has a spectrum."""
    line = b'{"flux":[' + ROW.encode() + b"]}\n"
    with target.watched():
        reply = target.post("/predict/table?format=csv", (line + b"{}\n" * 2) * 3000, "application/x-ndjson")
    assert reply.status == 200
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    assert [row["status"] for row in rows] == ["ok", "error", "error"] * 3000


def test_strange_files_are_read_to_their_last_row_in_little_memory(target: Target) -> None:
    for name, content, kind, rows in strange():
        with target.watched():
            reply = target.post("/predict/table?format=csv", content, kind)
        assert reply.status == 200, (name, reply.body[:300])
        assert reply.body.count(b"\n") == rows + 1, name


def test_an_answer_far_larger_than_any_table_is_refused(tmp_path: Path) -> None:
    """Two columns with a value in one row, and then rows of two bytes."""
    names = b",".join(b'"a column with a long name %d":1' % number for number in range(200))
    content = b'{"flux":[' + ROW.encode() + b"]," + names + b"}\n" + b"{}\n" * 3000
    with Target(tmp_path, max_body_bytes=1_000_000) as target, target.watched():
        reply = target.post("/predict/table", content, "application/x-ndjson")
    assert expect_refusal(reply, 413) == "body_too_large"


def test_twenty_million_rows_in_some_bytes_are_too_many(target: Target) -> None:
    content = many_rows(20_000_000)
    assert len(content) < 1 << 20
    with target.watched():
        reply = target.post("/predict/table", content, PARQUET)
    assert expect_refusal(reply, 413) == "body_too_large"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
@pytest.mark.parametrize("path", ["/predict", "/predict/table"])
def test_old_metadata_that_hide_their_codec_unpack_nothing(target: Target, path: str) -> None:
    for file in sorted(next(CASES.glob("01-*")).glob("bomb-*B.arrows")):
        with target.watched():
            reply = target.post(path, file.read_bytes(), ARROW)
        expect_refusal(reply, 400, 422)


@pytest.mark.parametrize(("first", "between"), [("\r", "\r"), ("\r", "\n"), ("\n", "\r"), ("\r\n", "\r")])
def test_every_row_is_answered_whatever_ends_a_line(target: Target, first: str, between: str) -> None:
    text = "source_id," + NAMES + first + between.join(f"{number},{ROW}" for number in range(3000))
    with target.watched():
        reply = target.post("/predict/table", text.encode(), "text/csv")
    if reply.status != 200:
        expect_refusal(reply, 400, 422)
        return
    answers = list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))
    assert [row["source_id"] for row in answers] == [str(number) for number in range(3000)]
