"""Masks, units and identifiers of the tables that people hold in memory."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow
import pytest
from astropy.table import Column, MaskedColumn, QTable, Table
from astropy.utils.masked import Masked

from gaia_redshift.errors import InvalidInputError, InvalidTableError
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, FLOAT_IDS, FloatArray
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]
PER_PIXEL = u.electron / (u.s * u.pix)
LARGE = 5853498713190525696


@pytest.fixture
def predictor(models: Path) -> Predictor:
    return Predictor("tiny", models=models, engine="onnx", threads=1)


def masked(flux: FloatArray) -> np.ma.MaskedArray:
    """Return the fluxes with one sample of the second masked, above a plausible number."""
    hidden = np.zeros(flux.shape, bool)
    hidden[1, 3] = True
    return np.ma.array(flux, mask=hidden)


def in_columns(flux: Any) -> dict[str, Any]:
    return {f"flux_{number}": flux[:, number] for number in range(DR3.samples)}


def statuses(answer: Any) -> list[str]:
    return [
        str(one)
        for one in (answer["status"].to_pylist() if hasattr(answer["status"], "to_pylist") else answer["status"])
    ]


@pytest.mark.parametrize(
    "make",
    [
        masked,
        lambda flux: Masked(flux, mask=masked(flux).mask),
        lambda flux: Masked(flux * u.electron / u.s, mask=masked(flux).mask),
        lambda flux: list(masked(flux)),
        lambda flux: Table({"flux": MaskedColumn(masked(flux))}),
        lambda flux: Table({"flux": list(masked(flux))}),
        lambda flux: Table(in_columns(masked(flux))),
        lambda flux: QTable({"flux": Masked(flux * u.electron / u.s, mask=masked(flux).mask)}),
        lambda flux: Table({"bp": masked(flux)[:, :80], "rp": masked(flux)[:, 80:]}),
        lambda flux: pd.DataFrame(in_columns(masked(flux).filled(np.nan))),
        lambda flux: pd.DataFrame({k: pd.array(v.tolist(), "Float64") for k, v in in_columns(masked(flux)).items()}),
        lambda flux: pd.DataFrame({"flux": list(masked(flux))}),
        lambda flux: pd.Series(list(masked(flux))),
    ],
    ids=range(13),
)
def test_a_masked_sample_is_a_missing_one(predictor: Predictor, make_flux: Make, make: Any) -> None:
    flux = make_flux(3)
    answer = predictor(make(flux))
    assert statuses(answer) == ["ok", "error", "ok"]
    assert str(answer["error"][1]).startswith(("missing_value: flux", "missing_value: bp"))
    assert np.asarray(answer["redshift"])[[0, 2]] == pytest.approx(tiny_redshift(flux)[[0, 2]].tolist(), abs=2e-6)


def test_a_masked_edge_that_no_model_reads_costs_nothing(predictor: Predictor, make_flux: Make) -> None:
    flux = make_flux(2)
    whole = np.ma.array(np.full((2, 240), 9.0), mask=False)
    whole[:, 34:114], whole[:, 124:230] = flux[:, :80], flux[:, 80:]
    whole[0, 2] = np.ma.masked
    assert statuses(predictor(whole)) == ["ok", "ok"]
    whole[0, 40] = np.ma.masked
    assert statuses(predictor(whole)) == ["error", "ok"]


@pytest.mark.parametrize(
    "make",
    [
        lambda pixels: pixels * PER_PIXEL,
        lambda pixels: Column(pixels, unit="electron / (s pix)"),
        lambda pixels: Table({"flux": pixels * PER_PIXEL}),
        lambda pixels: QTable({"flux": pixels * PER_PIXEL}),
        lambda pixels: QTable({name: column * PER_PIXEL for name, column in in_columns(pixels).items()}),
        lambda pixels: pyarrow.table(
            [pyarrow.array(list(pixels))],
            pyarrow.schema([pyarrow.field("flux", pyarrow.list_(pyarrow.float64()), metadata={"unit": "e-/s/pixel"})]),
        ),
    ],
    ids=range(6),
)
def test_a_declared_unit_is_honoured(predictor: Predictor, make_flux: Make, make: Any) -> None:
    flux = make_flux(3)
    pixels = (flux / DR3.pixels).astype(np.float64)
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    assert np.asarray(predictor(make(pixels))["redshift"]) == expected
    assert np.asarray(predictor(make(pixels), unit="per pixel")["redshift"]) == expected
    with pytest.raises(InvalidInputError, match="per_pixel and per_sample"):
        predictor(make(pixels), unit="per_sample")


def test_electrons_per_second_alone_leave_it_to_the_caller(predictor: Predictor, make_flux: Make) -> None:
    flux = make_flux(3)
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    plain = u.electron / u.s
    assert predictor(flux * plain)["redshift"] == expected
    assert predictor(flux / DR3.pixels * plain, unit="per_pixel")["redshift"] == expected
    assert predictor(flux / DR3.pixels, unit="per_pixel")["redshift"] == expected


@pytest.mark.parametrize(
    "make", [lambda flux: flux * 1e-17 * u.W / u.m**2 / u.nm, lambda flux: QTable({"flux": flux * u.W / u.m**2 / u.nm})]
)
def test_calibrated_fluxes_are_refused_with_advice(predictor: Predictor, make_flux: Make, make: Any) -> None:
    with pytest.raises(InvalidInputError, match="XP_CONTINUOUS"):
        predictor(make(make_flux(2)))
    with pytest.raises(InvalidInputError, match="XP_CONTINUOUS"):
        predictor(make_flux(2), unit="W m-2 nm-1")


@pytest.mark.parametrize("kind", [pd.DataFrame, Table, pyarrow.table])
def test_float_identifiers_are_refused_with_one_message(predictor: Predictor, make_flux: Make, kind: Any) -> None:
    flux = {name: np.array(column) for name, column in in_columns(make_flux(2)).items()}
    with pytest.raises(InvalidTableError) as caught:
        predictor(kind({"source_id": np.array([LARGE, np.nan]), **flux}))
    assert caught.value.message == FLOAT_IDS


def test_a_frame_of_many_columns_keeps_its_order_and_replaces_an_earlier_answer(
    predictor: Predictor, make_flux: Make
) -> None:
    columns = {"mine": [3.0, 1.0, 2.0], "redshift": [9.0, 9.0, 9.0], **in_columns(make_flux(3))}
    frame = pd.read_csv(io.StringIO(pd.DataFrame(columns).to_csv(index=False)))  # pandas warns of one that grows
    frame.index, frame.attrs = pd.Index([7, 7, 8]), {"from": "somewhere"}
    found = predictor(frame)
    assert list(found.columns[:2]) == ["mine", "redshift"]
    assert list(found.index) == [7, 7, 8]
    assert found.attrs == {"from": "somewhere"}
    assert found["redshift"].to_numpy() == pytest.approx(tiny_redshift(make_flux(3)), abs=1e-6)
    assert statuses(found) == ["ok", "ok", "ok"]


class Frame(pd.DataFrame):
    """A class of a library without its own `concat`, like LSDB's."""

    @property
    def _constructor(self) -> type:
        return Frame


def test_a_class_derived_from_a_frame_stays_of_its_kind(predictor: Predictor, make_flux: Make) -> None:
    found = predictor(Frame(in_columns(make_flux(3))))
    assert type(found) is Frame
    assert statuses(found) == ["ok", "ok", "ok"]


def test_a_series_of_arrays_gives_a_frame_with_its_index(predictor: Predictor, make_flux: Make) -> None:
    flux = make_flux(3)
    series = pd.Series(list(flux), index=[LARGE, LARGE + 2, LARGE + 4])
    found = predictor(series)
    assert isinstance(found, pd.DataFrame)
    assert found.index.tolist() == series.index.tolist()
    assert found["redshift"].to_numpy() == pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    series.iloc[1] = flux[1][:185]
    assert statuses(predictor(series)) == ["ok", "error", "ok"]


@pytest.mark.parametrize(
    "array",
    [[[1.0] * 186, [1.0] * 185], np.ones((2, 185)), np.array([["a"] * 186]), np.ones((2, 2, 186)), [[{}] * 186]],
)
def test_an_array_that_holds_no_spectra_is_refused_in_our_words(predictor: Predictor, array: Any) -> None:
    with pytest.raises(InvalidInputError, match="186"):
        predictor(array)


def test_numbers_and_arrays_of_text_are_read_as_in_files(predictor: Predictor, make_flux: Make) -> None:
    """As pandas reads a CSV table with arrays in its cells, or with one cell that is not a number."""
    flux = make_flux(3)
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    arrays = [str(tuple(map(float, row))) for row in flux]
    assert predictor(pd.DataFrame({"flux": arrays}))["redshift"].to_numpy() == expected
    assert predictor(pd.Series(arrays))["redshift"].to_numpy() == expected
    for cell, why in (("null", "missing_value"), ("x", "not_a_number"), (None, "missing_value")):
        columns = {name: column.astype(object) for name, column in in_columns(flux).items()}
        columns["flux_3"][1] = cell
        found = predictor(pd.DataFrame(columns))
        assert statuses(found) == ["ok", "error", "ok"]
        assert found["error"][1].startswith(f"{why}: flux_3")


def test_a_unit_may_be_one_of_astropys(predictor: Predictor, make_flux: Make) -> None:
    flux = make_flux(3)
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    assert predictor(flux / DR3.pixels, unit=PER_PIXEL)["redshift"] == expected
    with pytest.raises(InvalidInputError, match="scaled by 1000"):
        predictor(flux * u.Unit(1000 * u.electron / u.s))


@pytest.mark.parametrize("prior", ["flt", 7, {"z": [0.0]}, {"redshift": [1, 0], "density": [1, 1]}])
def test_what_is_no_prior_is_refused_in_our_words(predictor: Predictor, make_flux: Make, prior: Any) -> None:
    with pytest.raises(InvalidInputError, match="prior: "):
        predictor(make_flux(1), prior=prior)


def test_a_path_is_told_how_to_be_read(predictor: Predictor, tmp_path: Path) -> None:
    for path in ("spectra.csv", tmp_path):
        with pytest.raises(InvalidInputError, match=r"gaia_redshift\.read\(path\)"):
            predictor(path)
