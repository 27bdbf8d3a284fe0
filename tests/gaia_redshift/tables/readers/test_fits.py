"""FITS columns of every type, and headers that lie."""

import io
from typing import Any

import numpy as np
import pyarrow
import pytest
from astropy.io import fits

from gaia_redshift.errors import InvalidTableError, MalformedBodyError, RedshiftError
from gaia_redshift.tables.readers.fits import open_fits


def read(content: bytes) -> pyarrow.Table:
    table = open_fits(io.BytesIO(content))
    places = range(len(table.schema))
    return pyarrow.Table.from_batches([block.columns for block in table.blocks(places, ())], table.schema)


def written(*columns: fits.Column) -> bytes:
    file = io.BytesIO()
    fits.BinTableHDU.from_columns(list(columns)).writeto(file)
    return file.getvalue()


PLAIN = written(fits.Column("a", "J", array=np.arange(3)), fits.Column("b", "2E", array=np.ones((3, 2))))


@pytest.mark.parametrize(
    ("kind", "form", "zero"),
    [("uint16", "I", 2**15), ("uint32", "J", 2**31), ("uint64", "K", 2**63), ("int8", "B", -128)],
)
def test_integers_that_fits_has_no_type_for_keep_theirs(kind: str, form: str, zero: int) -> None:
    limits = np.iinfo(kind)
    values = np.array([limits.min, 1, limits.max], kind)
    found = read(written(fits.Column("a", form, array=values, bzero=zero)))
    assert str(found["a"].type) == kind
    assert found["a"].to_pylist() == values.tolist()


def with_cards(content: bytes, *cards: str) -> bytes:
    """Return a file with cards added to its last header."""
    place = content.rindex(b"END" + b" " * 77)
    added = b"".join(card.encode().ljust(80) for card in (*cards, "END"))
    return content[:place] + added + content[place + len(added) :]


SCALE = ("TSCAL1  =                  0.5", "TZERO1  =                  1.0", "TNULL1  =                   99")


def test_scaled_integers_are_numbers_and_their_null_is_missing() -> None:
    content = with_cards(written(fits.Column("a", "I", array=np.array([1, 2, 99], "i2"))), *SCALE)
    assert read(content)["a"].to_pylist() == [1.5, 2.0, None]


def test_scaled_integers_may_be_arrays() -> None:
    content = with_cards(written(fits.Column("a", "2J", array=np.array([[0, 2], [4, 99]], "i4"))), *SCALE)
    assert read(content)["a"].to_pylist() == [[1.0, 2.0], [3.0, None]]


@pytest.mark.parametrize(
    ("form", "rows", "expected"),
    [
        ("PJ()", [[1, 2], [], [3]], [[1, 2], [], [3]]),
        ("QD()", [[0.5], [1.5], [2.5]], [[0.5], [1.5], [2.5]]),
        ("PC()", [[1 + 2j], [3 + 4j]], [[1.0, 2.0], [3.0, 4.0]]),
        ("PJ()", [[], []], [[], []]),
    ],
)
def test_arrays_of_any_length_are_read(form: str, rows: list[list[Any]], expected: list[Any]) -> None:
    values = np.empty(len(rows), object)
    values[:] = [np.array(row) for row in rows]
    assert read(written(fits.Column("a", form, array=values)))["a"].to_pylist() == expected


def test_text_of_any_length_is_read() -> None:
    values = np.array(["NGC 1", "a longer name"], object)
    assert read(written(fits.Column("a", "PA()", array=values)))["a"].to_pylist() == ["NGC 1", "a longer name"]


@pytest.mark.parametrize(
    ("card", "instead", "message"),
    [
        (b"TFIELDS =                    2", b"TFIELDS =                 1500", "claims 1500 columns"),
        (b"NAXIS2  =                    3", b"NAXIS2  =                 9000", "claims 9000 rows of 12 bytes"),
        (b"NAXIS2  =                    3", b"NAXIS2  =                   -3", "NAXIS2 is '-3'"),
        (b"NAXIS2  =                    3", b"NAXIS2  =                    T", "NAXIS2 is 'True'"),
        (b"NAXIS1  =                   12", b"NAXIS1  =                   16", "columns take 12 bytes, a row 16"),
        (b"TFORM1  = 'J       '", b"TFORM1  = 'Z       '", "has the form 'Z'"),
        (b"TFORM1  = 'J       '", b"TFORM1  = '2PJ(3)  '", "has the form '2PJ\\(3\\)'"),
        (b"TFORM1  = 'J       '   ", b"TFORM1  = '99999999J'  ", "claims 99999999 elements a row"),
    ],
)
def test_a_wrong_header_is_refused(card: bytes, instead: bytes, message: str) -> None:
    assert PLAIN.count(card) == 1
    with pytest.raises(MalformedBodyError, match=message):
        read(PLAIN.replace(card, instead[: len(card)].ljust(len(card))))


def test_an_array_that_points_behind_the_file_is_refused() -> None:
    values = np.empty(2, object)
    values[:] = [np.arange(3), np.arange(2)]
    content = bytearray(written(fits.Column("a", "PJ()", array=values)))
    start = bytes(content).index(b"\0\0\0\x03\0\0\0\0")
    content[start : start + 4] = b"\x7f\xff\xff\xff"
    with pytest.raises(MalformedBodyError, match="points beyond its end"):
        read(bytes(content))


@pytest.mark.parametrize(
    ("unit", "message"),
    [
        (fits.TableHDU.from_columns([fits.Column("a", "I4", array=[1, 2])]), "an ASCII table"),
        (fits.ImageHDU(np.zeros((3, 3))), "no binary table"),
        (fits.BinTableHDU.from_columns([fits.Column("a", "J", array=[])]), "no rows"),
    ],
)
def test_a_file_without_a_binary_table_of_rows_says_what_it_holds(unit: Any, message: str) -> None:
    file = io.BytesIO()
    unit.writeto(file)
    with pytest.raises(InvalidTableError, match=message):
        read(file.getvalue())


@pytest.mark.parametrize("size", [0, 100, 2880, 5000, len(PLAIN) - 2880])
def test_a_file_that_is_cut_is_refused(size: int) -> None:
    with pytest.raises(RedshiftError):
        read(PLAIN[:size])
