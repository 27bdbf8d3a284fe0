"""Identifiers never become other ones: floats are refused in every form, and a table's own column is left alone."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from astropy.table import MaskedColumn, Table

import gaia_redshift
from gaia_redshift.errors import InvalidTableError
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, FLOAT_IDS, FloatArray, read_identifiers
from gaia_redshift.tables.formats import FORMATS, opened, settle
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra

Make = Callable[[int], FloatArray]
LARGE = 5853498713190525697


@pytest.fixture
def predictor(models: Path) -> Predictor:
    return Predictor("tiny", models=models, engine="onnx", threads=1)


def in_columns(flux: FloatArray) -> dict[str, Any]:
    return {f"flux_{number}": flux[:, number].astype(float) for number in range(DR3.samples)}


@pytest.mark.parametrize("kind", ["Int64", "int64[pyarrow]"])
def test_a_missing_identifier_makes_no_floats_of_the_others(predictor: Predictor, make_flux: Make, kind: str) -> None:
    names = pd.array([LARGE, None, LARGE + 1], kind)
    found = predictor(pd.DataFrame({"source_id": names, **in_columns(make_flux(3))}))
    assert found["source_id"].dtype == kind
    assert found["source_id"].tolist()[::2] == [LARGE, LARGE + 1]


def test_a_masked_identifier_of_astropy_stays_masked(predictor: Predictor, make_flux: Make) -> None:
    names = MaskedColumn([LARGE, 1, LARGE + 1], mask=[False, True, False])
    found = predictor(Table({"source_id": names, "flux": make_flux(3)}))["source_id"]
    assert found.dtype == np.int64
    assert (found[0], found[2], found.mask.tolist()) == (LARGE, LARGE + 1, [False, True, False])


def test_columns_of_a_table_in_memory_keep_their_order(predictor: Predictor, make_flux: Make) -> None:
    table = pyarrow.table({"source_id": pyarrow.array([LARGE, None]), "z": [1, 2], "flux": list(make_flux(2))})
    assert predictor(table).column_names[:4] == ["source_id", "z", "flux", "redshift"]


@pytest.mark.parametrize(
    "make",
    [
        lambda flux: pd.DataFrame({"source_id": ["5.85e18", "1"], "flux": list(flux)}),
        lambda flux: pd.DataFrame({"objid": [5.85e18, 1.0], "flux": list(flux)}),
        lambda flux: pd.DataFrame({"flux": list(flux)}, index=pd.Index([5.85e18, 1.0], name="source_id")),
        lambda flux: Table({"designation": [5.85e18, 1.0], "flux": flux}),
        lambda flux: pyarrow.table({"source_id": ["4295806720.0", "1"], "flux": list(flux)}),
    ],
    ids=range(5),
)
def test_float_identifiers_of_a_table_in_memory_are_refused(predictor: Predictor, make_flux: Make, make: Any) -> None:
    with pytest.raises(InvalidTableError) as caught:
        predictor(make(make_flux(2)))
    assert caught.value.message == FLOAT_IDS


@pytest.mark.parametrize("written", ["csv", "parquet", "fits"])
def test_float_identifiers_of_a_table_of_text_are_refused_whatever_is_written(make_flux: Make, written: str) -> None:
    table = pd.DataFrame({"source_id": [5.85e18, 1.0], **in_columns(make_flux(2))})
    with opened(io.BytesIO(table.to_csv(index=False).encode()), "x.csv") as content:
        found = recognise(content)
        settle(content, found, FORMATS[written])
        with pytest.raises(InvalidTableError) as caught:
            list(read_spectra(content, found, carry=True))
    assert caught.value.message == FLOAT_IDS


@pytest.mark.parametrize("wrong", ["5.85e18", "4295806720.0", "1e+18", b"5.85e18", "-1.5"])
def test_a_float_written_as_text_is_a_float(wrong: object) -> None:
    with pytest.raises(ValueError, match="floats") as caught:
        read_identifiers(["7", wrong])
    assert str(caught.value) == FLOAT_IDS


@pytest.mark.parametrize("given", [{1, 2}, frozenset({1}), {1: 2}, object()])
def test_what_has_no_order_names_no_spectra(given: object) -> None:
    with pytest.raises(ValueError, match="give a sequence, one identifier for each spectrum"):
        read_identifiers(given)


def test_one_identifier_names_one_spectrum() -> None:
    assert read_identifiers(LARGE) == read_identifiers(np.int64(LARGE)) == [LARGE]
    assert read_identifiers("Gaia DR3 1.5") == ["Gaia DR3 1.5"]


def test_whole_numbers_of_csv_are_integers(make_flux: Make, tmp_path: Path) -> None:
    table = pd.DataFrame({"source_id": [LARGE, 2], **in_columns(make_flux(2))})
    table.to_csv(tmp_path / "x.csv", index=False)
    assert gaia_redshift.read(tmp_path / "x.csv").source_id == [LARGE, 2]
