"""A table without spectra is refused with what was found in it, the likeliest cause, and what to do."""

import bz2
import gzip
import io
import re
import tarfile
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import Table

from gaia_redshift.errors import MalformedBodyError, RedshiftError
from gaia_redshift.spectra import DR3, SpectrumBatch
from gaia_redshift.tables.csv import read_csv
from gaia_redshift.tables.dataframes import read_blocks
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra

FLUX = [f"{0.1 + number / 1000:.3f}" for number in range(DR3.samples)]
NAMES = [f"flux_{number}" for number in range(DR3.samples)]
COMMAS = [one.replace(".", ",") for one in FLUX]
EXPECTED = np.array(FLUX, np.float32)


def lines(*rows: list[str], mark: str = ",") -> str:
    return "".join(mark.join(row) + "\n" for row in rows)


def read(content: str | bytes, name: str = "") -> SpectrumBatch:
    file = io.BytesIO(content if isinstance(content, bytes) else content.encode())
    with opened(file, name) as table:
        return SpectrumBatch.join(list(read_spectra(table, recognise(table))))


def refusal(content: str | bytes, name: str = "") -> RedshiftError:
    with pytest.raises(RedshiftError) as caught:
        read(content, name)
    error = caught.value
    assert "186 columns are missing" not in error.message
    assert len(error.details) <= 3
    assert len(error.message) < 500
    return error


def numbered(name: str, count: int, start: int = 0) -> str:
    return lines([f"{name}{number}" for number in range(start, count + start)], ["1.5"] * count)


DOWN = "\n".join(f"{name},{value},{value}" for name, value in zip(NAMES, FLUX, strict=True)) + "\n"


@pytest.mark.parametrize(
    ("content", "found", "cause"),
    [
        ("a,b\n1,2\n3,4\n", r"csv with commas between cells, 2 columns \(a, b\), 2 rows\.", "None of its columns"),
        ("a;b;c;d;e\n1;2;3;4;5\n", r"semicolons between cells, 5 columns \(a, b, c, d, \.\.\.\), 1 row\.", "None"),
        (lines(NAMES, FLUX, mark=":"), "1 column", "separated by ':': save it with commas"),
        (lines(NAMES, FLUX, mark="^"), "1 column", r"separated by '\^'"),
        ("% made on Monday\n% by me\n" + lines(NAMES, FLUX), "columns", "Line 3 looks .*start them with #"),
        ("My spectra, 2026\n\n" + lines(NAMES, FLUX, mark=";"), "columns", "Line 3 looks like the header"),
        (numbered("flux", 186, 1), "186 columns", "flux1 to flux186.*name them flux_0 to flux_185"),
        (numbered("s", 240), "240 columns", "name them bp_0"),
        (numbered("f", 343), "343 columns", "XP_SAMPLED.*download XP_CONTINUOUS"),
        (numbered("bp_coefficients_", 55), "55 columns", "coefficients, which are read as the arrays"),
        (numbered("x", 100), "100 columns", "a spectrum has 186 or 240 fluxes"),
        (lines(["spec"], [f'"[{",".join(FLUX)}]"']), r"1 column \(spec\)", "spec holds arrays of 186 .* name it flux"),
        (lines(["spec"], [f'"[{" ".join(FLUX)}]"']), r"1 column \(spec\)", "spec holds arrays of 186 numbers"),
        (lines(["spec"], [f'"({",".join(["1e-17"] * 343)})"']), "1 column", "as XP_SAMPLED has"),
        ("source_id,ra,dec,phot_g_mean_mag\n1,2,3,4\n", "4 columns", "such as gaia_source.*gaia-redshift fetch"),
        ("source_id\n1\n2\n", "2 rows", "identifiers alone: fetch them"),
        ("designation\nGaia DR3 1\n", "1 row", "identifiers alone"),
        ("source_id,has_xp_continuous\n1,True\n", "2 columns", "a catalogue"),
        ("source_id,xp_coefficients\n1,2\n", "2 columns", "some of the archive's columns"),
        ("redshift,redshift_lower,redshift_upper\n.1,.1,.1\n", "3 columns", "It is a table of predictions"),
        (DOWN, "3 columns", "the table is transposed"),
        ("name,a,b\n" + DOWN, "186 rows", r"transposed; .*set_index"),
        ("a,b\n" + lines(*[["x1", "y"]] * 186), "186 rows", r"transposed: .*table\.T"),
        ('{"spectra": [{"flux": [1, 2]}]}', r"jsonl, 1 column \(spectra\)", "the JSON of POST /predict"),
        ("Error 404: not found\n", "0 rows", "perhaps what a server said: 'Error 404: not found'"),
    ],
)  # fmt: skip
def test_a_table_without_spectra_says_what_was_found_and_why(content: str, found: str, cause: str) -> None:
    error = refusal(content)
    assert re.match(f"no spectra were found: .*{found}", error.message), error.message
    assert re.search(cause, error.message), error.message
    assert [detail.at for detail in error.details] == ["missing"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lines(NAMES, COMMAS), "the first row 372: its numbers have a comma for the point"),
        (lines(["source_id", *NAMES], ["7", *COMMAS]), "its numbers have a comma for the point"),
        (lines(COMMAS), "372 columns.*twice as many: do its numbers have commas"),
        ("\n".join(f"{one},{one}" for one in FLUX), "2 columns.*186 rows: is it transposed"),
        (lines(["1e-17"] * 343), "wavelengths of XP_SAMPLED"),
        ("flux\n" + "\n".join(FLUX), "column flux holds single values, not arrays"),
        (lines([f"flux_{n}" for n in range(1, 187) if n != 17], FLUX[1:]), "counted from one.*flux_17 is missing"),
        (lines(NAMES[:100], FLUX[:100]), "86 columns are missing, flux_100 the first.*Found: csv with commas"),
        (lines(["flux_0", "flux_1", "...", "flux_185"], FLUX[:4]), "a printout that leaves columns out"),
        (pd.DataFrame({"flux_0": [1.0], "flux_1": [2.0]}).to_string(), "aligned by runs of blanks"),
        ("# a\n# b\n", "empty but for its comments"),
    ],
)
def test_a_table_that_is_written_wrongly_says_how(content: str, message: str) -> None:
    error = refusal(content)
    assert re.search(message, error.message), error.message


TEXT = lines(NAMES, FLUX)


def tar(mode: Any) -> bytes:
    file, member = io.BytesIO(), tarfile.TarInfo("spectra.csv")
    member.size = len(TEXT)
    with tarfile.open(fileobj=file, mode=mode) as archive:
        archive.addfile(member, io.BytesIO(TEXT.encode()))
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TEXT.encode("utf-16"), "it is UTF-16 text; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), "it is UTF-16 text"),
        (TEXT.encode("utf-32"), "it is UTF-32 text"),
        (TEXT.encode("utf-32-be"), "it is UTF-32 text"),
        (lines([*NAMES, "name"], [*FLUX, "\u00e9"]).encode("latin-1"), "not UTF-8 text .*perhaps Latin-1"),
        (gzip.compress(gzip.compress(TEXT.encode())), "packed twice"),
        (tar("w"), "a tar archive"),
        (tar("w:gz"), "a tar archive"),
        (b"<!DOCTYPE html><html><head><title>Log in</title></head></html>", r"a web page \(HTML, 'Log in'\)"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html>\n<html><body/></html>', "a web page"),
        (b'<?xml version="1.0"?>\n<rss><x/></rss>', "not a VOTable, it begins with <rss>"),
        (
            b'<?xml version="1.0"?><VOTABLE><RESOURCE><INFO name="QUERY_STATUS" value="ERROR">no column b</INFO>'
            b"</RESOURCE></VOTABLE>",
            "an error of the service that wrote it: no column b",
        ),
        (b'[{"flux": [1, 2]}]', "JSON, but not JSON lines.*orient='records', lines=True"),
        (b'{"flux_0": {"0": 1.5}}', "one object for all rows"),
        (b'{\n  "flux": [1]\n}\n', "its first line is not an object: write an object for each source"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 50, "HDF5: write the table as"),
        (b"%PDF-1.7\n", "a PDF document"),
        (b"\x80\x04\x95\0\0\0", "a pickle, which is not read"),
        (b"SQLite format 3\0", "SQLite"),
        (gzip.compress(bz2.compress(TEXT.encode())), "packed twice .bzip2"),
        (b"ORC\x08\0\0", "ORC"),
        (b"Title: Spectra\nAuthors:\nByte-by-byte Description of file: x\n", "machine-readable table"),
    ],
)
def test_a_file_of_another_kind_is_named_whatever_it_is_called(content: bytes, message: str) -> None:
    error = refusal(content, "spectra.csv")
    assert re.search(message, error.message), error.message
    assert isinstance(error, MalformedBodyError) or "VOTable" in error.message
    with pytest.raises(RedshiftError):
        list(read_csv(io.BytesIO(content)))


@pytest.mark.parametrize("form", ["ipac", "rst", "latex", "aastex", "html", "fixed_width_two_line"])
def test_astropys_formatted_text_is_refused_with_advice(form: str) -> None:
    columns = {name: [float(value)] * 2 for name, value in zip(NAMES, FLUX, strict=True)}
    file = io.StringIO()
    Table({"source_id": [5, 6], **columns}).write(file, format=f"ascii.{form}")
    assert "astropy, Table.read(FILE, format='ascii" in refusal(file.getvalue(), "spectra.csv").message


@pytest.mark.parametrize("form", ["fixed_width", "fixed_width_no_header", "commented_header", "basic", "tab", "qdp"])
def test_astropys_tables_of_one_blank_or_bar_are_read(form: str) -> None:
    columns = {name: [float(value)] * 2 for name, value in zip(NAMES, FLUX, strict=True)}
    file = io.StringIO()
    Table({"source_id": [5, 6], **columns}).write(file, format=f"ascii.{form}")
    batch = read(file.getvalue())
    assert batch.source_id == ["5", "6"]
    assert (batch.flux == EXPECTED).all()


@pytest.mark.parametrize("first", ["sep=;\n", "sep=;\r\n", '"sep=;"\n', "\ufeffSEP=;\r\n"])
def test_excels_line_about_the_separator_is_used(first: str) -> None:
    assert (read(first + lines(NAMES, COMMAS, mark=";")).flux == EXPECTED).all()


def test_a_separator_that_excel_names_may_be_any() -> None:
    assert (read("sep=^\n" + lines(NAMES, FLUX, mark="^")).flux == EXPECTED).all()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["e-/s"] * 186, "a row of units or types"),
        (["double"] * 186, "a row of units or types"),
        (NAMES, "the header is repeated here"),
        (["see text"] * 186, "a footer or a note"),
        (["Total: 2 rows"], "'Total: 2 rows', a footer or another line of text"),
        (["(2 rows)"], "a footer"),
        (["7"], "the row has 1 cell, the header 186"),
    ],
)
def test_a_row_outside_the_table_is_named_as_what_it_is(row: list[str], message: str) -> None:
    batch = read(lines(NAMES, FLUX, row))
    assert list(batch.problems) == [1]
    assert message in batch.problems[1].message


@pytest.mark.parametrize(
    "word", ["NONE", "nil", "#DIV/0!", "n.a.", "(null)", "missing", "?", ".", "...", "\u2014", "NaT"]
)
def test_other_words_for_missing_are_missing_too(word: str) -> None:
    batch = read(lines(NAMES, [*FLUX[:-1], word], FLUX))
    assert {row: problem.code for row, problem in batch.problems.items()} == {0: "missing_value"}


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            pd.DataFrame({"spec": [[1.0] * 186]}),
            "pandas table, 1 column .spec., 1 row. The column spec holds arrays of 186",
        ),
        (pa.table({"spec": [[1.0] * 186]}), "pyarrow table, .*The column spec holds arrays of 186"),
        (Table({"spec": np.ones((2, 186))}), "astropy table, .*2 rows.*The column spec holds arrays of 186"),
        ({"a": [1, 2]}, "dict table, 1 column .a., 2 rows"),
        (pd.DataFrame(np.ones((186, 3))), "3 columns .*transposed"),
        (pd.DataFrame(), "0 columns"),
    ],
)
def test_a_table_in_memory_says_the_same(table: Any, message: str) -> None:
    with pytest.raises(RedshiftError, match=message):
        list(read_blocks(table, DR3))


def test_a_frame_made_of_an_array_is_read() -> None:
    (batch,) = read_blocks(pd.DataFrame(np.tile(EXPECTED, (2, 1))), DR3)
    assert (batch.flux == EXPECTED).all()


@pytest.mark.parametrize("name", ["ORCID", "RDA", "GIF8", "SQLite format 3", "%PDFs"])
def test_a_column_may_be_named_like_another_kind_of_file(name: str) -> None:
    text = lines([name, *NAMES], ["1", *FLUX])
    if name.startswith("%PDF"):
        assert "PDF" in refusal(text).message
    else:
        assert (read(text).flux == EXPECTED).all()
