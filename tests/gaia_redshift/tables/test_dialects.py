"""Delimited text in the ways that astronomers' programs write it."""

import csv
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gaia_redshift.errors import Detail, InvalidInputError, InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3, SpectrumBatch
from gaia_redshift.tables.csv import open_csv, read_csv
from gaia_redshift.tables.readers.lines import blocks
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra, unit_of_columns

FLUX = [f"{0.1 + number / 1000:.3f}" for number in range(DR3.samples)]
NAMES = [f"flux_{number}" for number in range(DR3.samples)]
EXPECTED = np.array(FLUX, np.float32)


def read(text: str | bytes) -> SpectrumBatch:
    content = text if isinstance(text, bytes) else text.encode()
    return SpectrumBatch.join(list(read_csv(io.BytesIO(content))))


def lines(*rows: list[str], mark: str = ",") -> str:
    return "".join(mark.join(row) + "\n" for row in rows)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(lines(NAMES, FLUX, mark=";"), id="semicolons"),
        pytest.param(lines(NAMES, FLUX, mark="\t"), id="tabs"),
        pytest.param(lines(NAMES, FLUX, mark="|"), id="bars"),
        pytest.param("\ufeff" + lines(NAMES, [one.replace(".", ",") for one in FLUX], mark=";"), id="European Excel"),
        pytest.param(lines(NAMES, [one.replace(".", ",") for one in FLUX], mark="\t"), id="decimal commas and tabs"),
        pytest.param("# a comment\n#\n" + lines(NAMES, FLUX), id="comments"),
        pytest.param(lines([f'"{name}"' for name in NAMES], [f'"{one}"' for one in FLUX]), id="quotes everywhere"),
        pytest.param(lines(["", *NAMES], ["0", *FLUX]), id="pandas' index"),
        pytest.param(lines([str(number) for number in range(186)], FLUX), id="pandas' numbered columns"),
        pytest.param(lines(NAMES, *[[str(row), *FLUX] for row in range(2)]), id="R's names of rows"),
        pytest.param(lines(NAMES, [f"{one}D+00" for one in FLUX]), id="D exponents"),
        pytest.param(lines(NAMES, [f"{one}d0" for one in FLUX]), id="d exponents"),
        pytest.param(lines(NAMES, [f"  +{one} " for one in FLUX]), id="blanks and signs"),
        pytest.param(lines([f"flux_{number:03d}" for number in range(186)], FLUX), id="leading zeros"),
        pytest.param(lines([f"FLUX_{number + 1}" for number in range(186)], FLUX), id="counted from one"),
        pytest.param(lines(FLUX), id="no header"),
        pytest.param("# " + lines(NAMES) + lines(FLUX), id="numpy.savetxt"),
        pytest.param(lines(["flux"], [f'"({", ".join(FLUX)})"']), id="an array in round brackets"),
        pytest.param(lines(["flux"], [f'"[{",".join(FLUX)}]"']), id="an array in square brackets"),
        pytest.param(
            lines(["flux"], ['"[' + " ".join(FLUX[:90]) + "\n " + " ".join(FLUX[90:]) + ']"']), id="NumPy's text"
        ),
        pytest.param(
            lines(["bp", "rp"], [f'"[{",".join(FLUX[:80])}]"', f'"[{",".join(FLUX[80:])}]"']), id="an array each band"
        ),
        pytest.param(lines(NAMES, ["e-/s"] * 186, ["----"] * 186, FLUX, mark="\t"), id="VizieR's units and dashes"),
        pytest.param(lines(NAMES, FLUX).replace("\n", "\r"), id="CR"),
        pytest.param(lines(NAMES, FLUX).replace("\n", "\r\n"), id="CR LF"),
    ],
)
def test_every_dialect_gives_the_same_spectrum(text: str) -> None:
    batch = read(text)
    assert not batch.problems
    assert (batch.flux == EXPECTED).all()


def test_a_first_column_before_the_fluxes_without_header_is_the_identifier() -> None:
    batch = read(lines(["5000000000000000001", *FLUX]))
    assert batch.source_id == ["5000000000000000001"]
    assert (batch.flux == EXPECTED).all()


def with_units(unit: str, rule: str = "") -> bytes:
    """Return a table whose first row below the header has units, as VizieR's do with a rule behind it."""
    names = ["id", *(f"flux_{number}" for number in range(DR3.samples))]
    rows = [names, ["", *[unit] * DR3.samples], *([[rule] * len(names)] if rule else []), ["1", *["2.5"] * DR3.samples]]
    return "".join("\t".join(row) + "\n" for row in rows).encode()


@pytest.mark.parametrize("rule", ["", "-----"])
def test_a_row_of_units_is_the_unit_of_the_fluxes(rule: str) -> None:
    table = open_csv(io.BytesIO(with_units("e-/s/pix", rule)))
    found = recognise(table)
    assert unit_of_columns(table, found, "per_sample") == "per_pixel"
    problems = {row: problem.message for batch in read_spectra(table, found) for row, problem in batch.problems.items()}
    used = "flux_0 is 'e-/s/pix', which is not a number: a row of units, which is used"
    assert problems == ({} if rule else {0: used})


@pytest.mark.parametrize("rule", ["", "-----"])
@pytest.mark.parametrize("unit", ["W m-2 nm-1", "Jy", "mJy", "[uJy]", "nJy"])
def test_a_row_of_units_that_are_not_read_is_refused_with_advice(unit: str, rule: str) -> None:
    table = open_csv(io.BytesIO(with_units(unit, rule)))
    with pytest.raises((InvalidTableError, InvalidInputError), match="XP_CONTINUOUS"):
        unit_of_columns(table, recognise(table), "per_sample")


@pytest.mark.parametrize("text", ["W", "1e-3", "galaxy", "mag", "E", "s", "adu/s"])
def test_a_first_row_of_anything_else_is_no_row_of_units(text: str) -> None:
    table = open_csv(io.BytesIO(with_units(text)))
    assert unit_of_columns(table, recognise(table), "per_sample") is None


@pytest.mark.parametrize("word", ["", " ", "null", "NULL", "NA", "N/A", "--", "<NA>", "\\N", "None"])
def test_the_usual_words_for_missing_are_missing(word: str) -> None:
    batch = read(lines(NAMES, [word, *FLUX[1:]], FLUX))
    assert {row: problem.code for row, problem in batch.problems.items()} == {0: "missing_value"}


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("", "missing_value"),
        ("[1,2]", "ragged_row"),
        ("[" + ",".join(["x", *FLUX[1:]]) + "]", "not_a_number"),
        ("[" + ",".join(["null", *FLUX[1:]]) + "]", "missing_value"),
        ("[0.1 0.2 ... 0.3]", "not_a_number"),
    ],
)
def test_a_bad_array_keeps_its_place_with_its_reason(cell: str, code: str) -> None:
    good = f'"[{",".join(FLUX)}]"'
    batch = read(lines(["flux"], [good], [f'"{cell}"'], [good]))
    assert {row: problem.code for row, problem in batch.problems.items()} == {1: code}
    assert (batch.flux[[0, 2]] == EXPECTED).all()


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"\xff\xfef\x00l\x00", MalformedBodyError, "UTF-16"),
        (b"a" * (1 << 20) + b",b\n1,2\n", MalformedBodyError, "header line is longer"),
        (b"a," * 20_000 + b"b\n", InvalidTableError, "20001 columns"),
        (lines(["1"] * 188).encode(), InvalidTableError, "no header line and 188 columns"),
        (lines(NAMES, [str(number) for number in range(186)]).encode()[:400], InvalidTableError, "columns are missing"),
        (b"wavelength,flux\n336,1e-17\n", InvalidTableError, "XP_CONTINUOUS"),
        (lines([f"flux_{number}" for number in range(343)], ["1"] * 343).encode(), InvalidTableError, "XP_CONTINUOUS"),
        (lines(["flux"], [f'"({",".join(["1e-17"] * 343)})"']).encode(), InvalidTableError, "XP_CONTINUOUS"),
    ],
)
def test_a_table_without_spectra_is_refused_with_what_to_do(content: bytes, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        read(content)


@pytest.mark.parametrize("rows", [20, 80, 5000])
def test_bytes_that_are_no_text_are_refused_in_any_column_of_any_table(rows: int) -> None:
    table = lines([*NAMES, "name"], *[[*FLUX, "x"]] * rows, [*FLUX, "HERE"], *[[*FLUX, "x"]] * rows)
    with pytest.raises(MalformedBodyError, match="not UTF-8"):
        read(table.encode().replace(b"HERE", b"\xe9t\xe9"))


def test_very_many_tiny_rows_are_read_some_thousand_at_a_time() -> None:
    header = ",".join([f"bp_{number}" for number in range(120)] + [f"rp_{number}" for number in range(120)])
    total = 0
    for batch in read_csv(io.BytesIO(header.encode() + b"\n" + b"1\n" * 20_000)):
        assert len(batch) <= 4096
        assert len(batch.problems) == len(batch)
        total += len(batch)
    assert total == 20_000


def test_a_table_most_of_whose_many_rows_are_ragged_is_refused() -> None:
    header = ",".join([f"bp_{number}" for number in range(120)] + [f"rp_{number}" for number in range(120)])
    batches = read_csv(io.BytesIO(header.encode() + b"\n" + b"1\n" * 110_000))
    assert [len(next(batches)) for _ in range(24)] == [4096] * 24
    with pytest.raises(
        InvalidTableError, match=r"102400 of the first 102400 rows .* give each row 240 cells"
    ) as refusal:
        next(batches)
    assert list(refusal.value.details) == [Detail("row 98304", "1 cells")]


def test_ragged_rows_that_are_not_the_most_are_answered_one_by_one() -> None:
    row = lines(FLUX).encode()
    table = lines(NAMES).encode() + (b"1\n" * 110 + row * 121) * 100
    batches = list(read_csv(io.BytesIO(table)))
    assert sum(map(len, batches)) == 23_100
    assert sum(len(batch.problems) for batch in batches) == 11_000
    flux = np.concatenate([batch.flux[batch.usable()] for batch in batches])
    assert np.array_equal(flux, np.tile(np.array(FLUX, np.float32), (12_100, 1)))


def test_cr_line_ends_lose_no_row_of_a_large_table() -> None:
    row = ",".join(FLUX)
    text = "source_id," + ",".join(NAMES) + "\r" + "\r".join(f"{number},{row}" for number in range(3000))
    assert read(text).source_id == [str(number) for number in range(3000)]


PIECES = st.sampled_from(["a", "1", ",", ",", '"', '""', '","', "\n", "\r", "\r\n", '"\n', ' "'])


@given(st.lists(PIECES, max_size=30), st.integers(1, 40))
def test_rows_and_cells_are_those_of_the_standard_library(pieces: list[str], block_bytes: int) -> None:
    text = "".join(pieces)
    found = [int(count) for rows in blocks(io.BytesIO(text.encode()), b"", b",", block_bytes) for count in rows.cells]
    assert found == [len(row) for row in csv.reader(io.StringIO(text, newline="")) if row]


@settings(max_examples=15)  # each reads a whole table
@given(
    st.lists(st.sampled_from(["good", "short", "long", "bad", "quoted"]), min_size=1, max_size=12),
    st.sampled_from([",", ";", "\t"]),
    st.lists(st.sampled_from(["\n", "\r", "\r\n"]), min_size=1, max_size=3),
    st.integers(1, 5000),
    st.booleans(),
)
def test_every_row_sent_is_answered_whatever_the_dialect_and_the_blocks(
    kinds: list[str], mark: str, ends: list[str], block_bytes: int, end_last: bool
) -> None:
    rows = {
        "good": ["7", *FLUX],
        "short": ["7", *FLUX[:-1]],
        "long": ["7", *FLUX, "1"],
        "bad": ["7", "x", *FLUX[1:]],
        "quoted": [f'"7{mark}\n"', *FLUX],
    }
    chosen = [["source_id", *NAMES], ["7", *FLUX], *(rows[kind] for kind in kinds)]
    text = ends[0].join(mark.join(row) for row in chosen[:2])
    for number, row in enumerate(chosen[2:]):
        text += ends[number % len(ends)] + mark.join(row)
    text += ends[0] if end_last else ""
    batches = list(read_csv(io.BytesIO(text.encode()), block_bytes))
    first = 0
    problems = set()
    for batch in batches:
        problems |= {first + row for row in batch.problems}
        first += len(batch)
    assert first == len(kinds) + 1
    assert problems == {number + 1 for number, kind in enumerate(kinds) if kind in {"short", "long", "bad"}}
