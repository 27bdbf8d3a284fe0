"""The column of the identifiers is found by its usual names, said, and given back as it came."""

import io

import numpy as np
import pyarrow as pa
import pytest

from gaia_redshift.errors import InvalidTableError
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.csv import open_csv
from gaia_redshift.tables.identifiers import find_identifier, identifier_column
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra

NAMES = [f"flux_{number}" for number in range(DR3.samples)]


@pytest.mark.parametrize(
    "name",
    [
        *(
            "source_id",
            "SOURCE_ID",
            "#source_id",
            "# Source_ID",
            "sourceid",
            "Source ID",
            "source-id",
            "gaia_source_id",
        ),
        *(
            "designation",
            "DESIGNATION",
            "#designation",
            "objid",
            "objID",
            "obj_id",
            "object_id",
            "id",
            "ID",
            "!source_id",
        ),
    ],
)
def test_every_usual_name_is_taken_and_said(name: str) -> None:
    text = ",".join([name, *NAMES]) + "\nGaia DR3 123," + ",".join(["1"] * DR3.samples) + "\n"
    table = open_csv(io.BytesIO(text.encode()))
    found = recognise(table)
    assert found.sentence.endswith(f"; identifiers from {name.lstrip('# ')}")
    assert found.header == found.sentence
    (batch,) = read_spectra(table, found)
    assert batch.source_id == ["Gaia DR3 123"]


@pytest.mark.parametrize(
    ("names", "place"),
    [
        (["designation", "source_id"], 1),
        (["#source_id", "source_id"], 1),
        (["id", "objid"], 1),
        (["id", "id", "objid"], 2),
        (["id", "id"], None),
        (["ra", "name", "z", "valid", "idle"], None),
    ],
)
def test_gaias_own_name_goes_first_and_an_ambiguous_one_says_nothing(names: list[str], place: int | None) -> None:
    assert find_identifier(names) == place


def test_two_columns_source_id_are_refused() -> None:
    with pytest.raises(InvalidTableError, match="duplicate column source_id"):
        find_identifier(["source_id", "Source_ID"])


def test_floats_are_refused_under_any_name_and_other_types_only_under_gaias() -> None:
    for name in ("source_id", "objid"):
        with pytest.raises(InvalidTableError, match="cannot hold Gaia's 64-bit ids"):
            identifier_column(pa.schema([(name, pa.float64())]))
    assert identifier_column(pa.schema([("objid", pa.bool_())])) is None
    with pytest.raises(InvalidTableError, match="has the type bool"):
        identifier_column(pa.schema([("source_id", pa.bool_())]))


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ('"4295806720"', "4295806720"),
        ('"=""4295806720"""', "4295806720"),
        ('="4295806720"', "4295806720"),
        ("-5", "-5"),
        ("99999999999999999999", "99999999999999999999"),
        ('""', None),
        ("  ", None),
        ("'7'", "'7'"),
    ],
)
def test_identifiers_keep_their_text(cell: str, expected: str | None) -> None:
    text = ",".join(["source_id", *NAMES]) + f"\n{cell}," + ",".join(["1"] * DR3.samples) + "\n"
    table = open_csv(io.BytesIO(text.encode()))
    (batch,) = read_spectra(table, recognise(table))
    assert batch.source_id == [expected]
    assert np.all(batch.flux == 1)


def test_fluxes_that_are_not_read_are_named() -> None:
    names = [*NAMES, *(f"bp_{number}" for number in range(80)), *(f"rp_{number}" for number in range(106))]
    text = ",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n"
    sentence = recognise(open_csv(io.BytesIO(text.encode()))).sentence
    assert "from the columns flux_0 to flux_185; bp_.. and rp_.. are not read" in sentence


def test_the_bands_are_read_where_flux_is_not_complete() -> None:
    names = [*NAMES[:3], *(f"bp_{number}" for number in range(80)), *(f"rp_{number}" for number in range(106))]
    text = ",".join(names) + "\n" + ",".join(["1"] * len(names)) + "\n"
    sentence = recognise(open_csv(io.BytesIO(text.encode()))).sentence
    assert "from the columns bp_0 to bp_79 and rp_0 to rp_105; flux_.. are not read" in sentence
