"""What can be done to the service by tables."""

import csv
import io
from concurrent.futures import ThreadPoolExecutor

import pytest

from gaia_redshift.spectra import DR3
from tests.security.corpus import NAMES, ROW, tables
from tests.security.hostile import MEGABYTES, Target, expect_refusal

CSV = "text/csv"
BANDS = ",".join([f"bp_{n}" for n in range(DR3.bp.samples)] + [f"rp_{n}" for n in range(DR3.rp.samples)])


@pytest.mark.parametrize("form", [False, True])
@pytest.mark.parametrize(("name", "content"), [pytest.param(*item, id=item[0]) for item in tables()])
def test_no_table_takes_memory_or_time(target: Target, name: str, content: bytes, form: bool) -> None:
    kind = CSV
    if form:
        part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="../../a.csv"\r\n\r\n'
        content, kind = part + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    with target.watched():
        reply = target.post("/predict/csv", content, kind)
    if reply.status != 200:
        expect_refusal(reply, 400, 413, 415, 422)


@pytest.mark.parametrize(
    ("header", "row"),
    [(BANDS, b'"\n'), (NAMES, b"\n,1,2,x\n,")],
    ids=["quote", "comma and word"],
)
def test_invalid_rows_take_neither_memory_nor_time(target: Target, header: str, row: bytes) -> None:
    body = header.encode() + b"\n" + row * (2_000_000 // len(row))
    with target.watched():
        reply = target.post("/predict/csv", body, CSV)
    if reply.status != 200:
        expect_refusal(reply, 400, 413, 422)


def test_eight_tables_at_once_take_neither_memory_nor_time(target: Target) -> None:
    """Two of 990,000 tiny rows, and six as large that are good in half of their rows; with a margin of 50 MB."""
    tiny = BANDS.encode() + b"\n" + b"1\n" * 990_000
    mixed = NAMES.encode() + b"\n" + (b"1\n" * 200 + f"{ROW}\n".encode() * 201) * 8
    paths = ["/predict/csv", "/predict/csv", "/predict/table", "/predict/table"] * 2
    with target.watched(megabytes=MEGABYTES - 50), ThreadPoolExecutor(8) as clients:
        bodies = [tiny, mixed, tiny, *[mixed] * 5]
        replies = list(clients.map(lambda path, body: target.post(path, body, CSV), paths, bodies))
    for body, reply in zip(bodies, replies, strict=True):
        if body is mixed:
            assert reply.status == 200
            assert reply.body.count(b"\n") == 401 * 8 + 1
        else:
            assert expect_refusal(reply, 422) == "invalid_table"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("between", ["\n", "\r\n", "\r"], ids=repr)
@pytest.mark.parametrize("rows", [1, 3, 3000])
def test_every_row_is_answered_whatever_ends_its_line(target: Target, end: str, between: str, rows: int) -> None:
    text = "source_id," + NAMES + end + between.join(f"{number},{ROW}" for number in range(rows))
    with target.watched():
        reply = target.post("/predict/csv", text.encode(), CSV)
    if reply.status != 200:
        expect_refusal(reply, 400, 422)
        return
    answers = list(csv.DictReader(io.StringIO(reply.body.decode(), newline="")))
    assert [row["source_id"] for row in answers] == [str(number) for number in range(rows)]


@pytest.mark.parametrize("name", ["x;=1+1", ";=cmd|' /C calc'!A0", "a;-1", "a;@b", "a;\t=b"])
def test_no_part_of_a_name_is_a_formula_where_semicolons_separate(target: Target, name: str) -> None:
    text = "source_id," + NAMES + f'\n"{name}",' + ROW
    reply = target.post("/predict/csv", text.encode(), CSV)
    assert reply.status == 200
    cells = [cell for line in csv.reader(io.StringIO(reply.body.decode()), delimiter=";") for cell in line]
    assert not [cell for cell in cells if cell.lstrip(" \t").startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("length", [10_000, 1_000_000, 3_000_000])
def test_a_long_header_makes_no_row(target: Target, length: int) -> None:
    text = NAMES + "," + "x" * length + "\n" + ROW + ",1\n"
    with target.watched():
        reply = target.post("/predict/csv", text.encode(), CSV)
    if reply.status != 200:
        expect_refusal(reply, 400, 422)
    else:
        assert reply.body.count(b"\n") == 2


def test_another_encoding_in_a_column_that_is_ignored_is_refused_in_tables_of_any_size(target: Target) -> None:
    for rows in (1, 20, 80, 2000):
        lines = [NAMES.encode() + b",comment", *(ROW.encode() + b",caf\xe9" for _ in range(rows))]
        reply = target.post("/predict/csv", b"\n".join(lines), CSV)
        assert expect_refusal(reply, 400) == "malformed_body"
