"""A file of one source names it in a column, or beside its columns, or by its own name."""

import io
from collections.abc import Callable

import pytest

from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from tests.gaia_redshift.tables.test_members import FIRST, one

NAME = f"XP_CONTINUOUS-Gaia DR3 {FIRST}"


def fits() -> bytes:
    from astropy.io import fits

    with fits.open(io.BytesIO(one("fits", 0, source_id=False))) as hdus:
        hdus[1].header["SOURCEID"] = str(FIRST)  # as the archive writes it, as text
        file = io.BytesIO()
        hdus.writeto(file)
    return file.getvalue()


def votable() -> bytes:
    parameter = f'<PARAM datatype="long" name="source_id" ucd="meta.id;meta.main" value="{FIRST}"/>'
    return one("votable", 0, source_id=False).replace(b"<FIELD", parameter.encode() + b"<FIELD", 1)


def ecsv() -> bytes:
    text = one("ecsv", 0, source_id=False)
    assert b"# meta:" not in text
    place = text.index(b"\nbp_coefficients")
    return text[:place] + f"\n# meta:\n#   source_id: {FIRST}".encode() + text[place:]


@pytest.mark.parametrize("made", [fits, votable, ecsv])
def test_what_the_file_says_of_itself_becomes_the_first_column(made: Callable[[], bytes]) -> None:
    assert identifiers(made(), "any.xml") == [FIRST]


def test_the_name_of_the_file_names_the_source_where_nothing_else_does() -> None:
    assert identifiers(one("csv", 0, source_id=False), f"{NAME}.csv") == [FIRST]
    assert identifiers(one("csv", 0, source_id=False), "XP_CONTINUOUS_RAW.csv") is None
    assert identifiers(one("csv", 0, source_id=False), "Gaia DR3 99999999999999999999.csv") is None


def test_a_column_of_identifiers_goes_before_all_else() -> None:
    assert identifiers(one("fits", 7), f"{NAME}.fits") == [FIRST + 7]


def identifiers(content: bytes, name: str) -> object:
    with opened(io.BytesIO(content), name) as table:
        found = recognise(table)
        (batch,) = read_spectra(table, found, carry=True)
    assert not batch.problems
    names = batch.carried.schema.names if batch.carried is not None else []
    assert names[:1] == (["source_id"] if batch.source_id else [])
    return None if batch.source_id is None else list(batch.source_id)
