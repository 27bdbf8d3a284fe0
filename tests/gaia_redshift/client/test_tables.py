"""What people hand to the client, and what they get back."""

import io
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pandas as pd
import pyarrow
import pytest
from astropy.table import QTable, Table

from gaia_redshift.client import Client, ServiceError
from gaia_redshift.spectra import DR3
from tests.gaia_redshift.client.conftest import LARGE, Make, in_columns
from tests.tiny import BIN_EDGES, tiny_redshift


@pytest.mark.parametrize("rows", [3, 40])
@pytest.mark.parametrize(
    "make",
    [
        lambda flux, ids: pd.DataFrame({"source_id": ids, **in_columns(flux)}),
        lambda flux, ids: pd.DataFrame(in_columns(flux), pd.Index(ids, name="source_id")),
        lambda flux, ids: pd.DataFrame({"SOURCE_ID": ids, "flux": list(flux), "z": 0.1}),
        lambda flux, ids: Table({"source_id": ids, "flux": flux, "name": ["x"] * len(ids)}),
        lambda flux, ids: QTable({"source_id": ids, "flux": flux * u.electron / u.s}),
        lambda flux, ids: pyarrow.table({"source_id": ids, "flux": list(flux)}),
        lambda flux, ids: {"source_id": ids, "bp": flux[:, :80], "rp": flux[:, 80:]},
        lambda flux, ids: {"a": [Table({"source_id": ids[:1], "flux": flux[:1]})],
                           "b": [Table({"source_id": ids[1:], "flux": flux[1:]})]},
    ],
    ids=range(8),
)  # fmt: skip
def test_a_table_of_any_library_gives_its_redshifts_with_its_integer_identifiers(
    client: Client, make_flux: Make, make: Any, rows: int
) -> None:
    flux, ids = make_flux(rows), LARGE + np.arange(rows)
    found = client.predict(make(flux, ids))
    assert [one.redshift for one in found] == pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    assert [one.source_id for one in found] == ids.tolist()
    assert found.named_by in {"source_id", "SOURCE_ID"}
    assert f"source_id from {found.named_by}" in repr(found)
    frame = pd.DataFrame({"source_id": ids}).merge(found.to_pandas(), on="source_id")
    assert len(frame) == rows


@pytest.mark.parametrize("rows", [3, 40])
def test_untruncated_spectra_and_series_of_arrays_are_read(client: Client, make_flux: Make, rows: int) -> None:
    flux = make_flux(rows)
    whole = np.full((rows, 240), 9.0)
    whole[:, 34:114], whole[:, 124:230] = flux[:, :80], flux[:, 80:]
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    for given in (whole, pd.Series(list(flux)), pd.Series(list(whole)), list(flux)):
        assert [one.redshift for one in client.predict(given)] == expected
    bands = client.predict(bp=pd.Series(list(flux[:, :80])), rp=pd.Series(list(flux[:, 80:])))
    assert [one.redshift for one in bands] == expected


@pytest.mark.parametrize("rows", [3, 40])
def test_masked_and_bad_spectra_cost_their_own_rows(client: Client, make_flux: Make, rows: int) -> None:
    flux = np.ma.array(make_flux(rows), mask=False)
    flux[1, 3] = np.ma.masked
    flux[2, 20:60] = 0
    flux[2, 20:60] = np.ma.masked
    for given in (flux, Table({"flux": flux}), pd.Series(list(flux))):
        found = client.predict(given)
        assert [one.status for one in found[:3]] == ["ok", "error", "error"]
        assert found[1].error is not None
        assert found[1].error.code == "missing_value"
        assert sum(one.status == "ok" for one in found) == rows - 2
    plain = np.array(make_flux(rows))
    plain[1, 3] = np.nan
    found = client.predict(plain, source_id=[LARGE + row for row in range(rows)])
    assert [one.status for one in found[:3]] == ["ok", "error", "ok"]
    assert found[1].error is not None
    assert (found[1].source_id, found[1].error.code) == (LARGE + 1, "not_finite")


def test_on_request_one_bad_spectrum_refuses_all(client: Client, make_flux: Make) -> None:
    flux = np.ma.array(make_flux(3), mask=False)
    flux[1, 3] = np.ma.masked
    with pytest.raises(ValueError, match=r"flux\[1, 3\] is masked"):
        client.predict(flux, rows="strict")
    with pytest.raises(ValueError, match="row 1: missing_value"):
        client.predict(Table({"flux": flux}), rows="strict")


@pytest.mark.parametrize("rows", [3, 40])
def test_units_of_options_and_of_columns_are_honoured(client: Client, make_flux: Make, rows: int) -> None:
    flux = make_flux(rows)
    pixels = (flux / DR3.pixels).astype(float)
    declared = u.electron / u.s / u.pix
    expected = pytest.approx(tiny_redshift(flux).tolist(), abs=2e-6)
    for given in (pixels * declared, QTable({"flux": pixels * declared})):
        assert [one.redshift for one in client.predict(given)] == expected
    for given in (pixels, pd.DataFrame(in_columns(pixels))):
        assert [one.redshift for one in client.predict(given, unit="per pixel")] == expected
    for given, unit in ((flux, "W m-2 nm-1"), (flux * u.W / u.m**2 / u.nm, None)):
        with pytest.raises(ValueError, match="XP_CONTINUOUS"):
            client.predict(given, unit=unit)


def test_predictions_become_tables_of_pandas_astropy_and_arrow(density: Client, make_flux: Make) -> None:
    flux = make_flux(3)
    flux[1] = 0
    found = density.predict(flux, source_id=[LARGE, 2, 3], pdf=True)
    assert found.bin_edges is not None
    assert found.bin_edges.tolist() == BIN_EDGES.tolist()
    frame, table, arrow = found.to_pandas(), found.to_table(), found.to_arrow()
    assert frame["status"].tolist() == ["ok", "error", "ok"]
    assert np.isnan(frame["redshift"][1])
    assert np.ma.is_masked(table["redshift"][1])
    assert table["pdf"].shape == (3, 60)
    assert len(frame["pdf"][0]) == 60
    assert (table["pdf"][0] == found[0].pdf).all()
    assert arrow["pdf"][1].as_py() is None
    assert table["redshift"][2] == frame["redshift"][2] == arrow["redshift"][2].as_py() == found[2].redshift
    assert table.meta["model"] == frame.attrs["model"] == "dense@1.2.3"
    assert "3 predictions, 1 without a redshift, by dense 1.2.3, prior survey" in repr(found)


@pytest.mark.parametrize(
    "prior",
    [
        {"redshift": np.array([0.0, 0.1, 0.2]), "density": [0.0, 1.0, 0.0]},
        pd.DataFrame({"redshift": [0.0, 0.1, 0.2], "density": [0.0, 1.0, 0.0]}),
        Table({"redshift": [0.0, 0.1, 0.2], "density": [0.0, 1.0, 0.0]}),
    ],
    ids=range(3),
)
def test_a_table_is_a_prior_for_arrays_and_for_csv(
    density: Client, make_flux: Make, prior: Any, tmp_path: Path
) -> None:
    flux = make_flux(40)
    found = density.predict(flux, prior=prior)
    assert found.prior == "table"
    assert max(one.redshift or 0 for one in found) < 0.2
    pd.DataFrame(in_columns(flux)).to_csv(tmp_path / "t.csv", index=False)
    by_csv = density.predict_csv(tmp_path / "t.csv", prior=prior)
    assert by_csv.prior == "table"
    assert [one.redshift for one in by_csv] == pytest.approx([one.redshift for one in found], abs=2e-6)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        ("nope", "prior"),
        (7, "give survey, flat, sample, or a table"),
        ({"redshift": [0, 1]}, "give survey, flat, sample, or a table"),
        ({"redshift": [0, 1], "density": ["a", "b"]}, "of numbers"),
        ({"redshift": [1, 0], "density": [1, 1]}, "must increase"),
        ({"redshift": [0, 1], "density": [1, 1], "scale": 1}, "unknown column scale"),
    ],
)
def test_what_is_no_prior_is_refused_in_our_words(make_flux: Make, prior: Any, message: str) -> None:
    with Client() as client, pytest.raises(ValueError, match=message) as caught:
        client.predict(make_flux(2), prior=prior)
    assert "pydantic" not in str(caught.value)
    assert "validation error" not in str(caught.value)


def test_a_csv_table_may_be_an_open_file_of_text_or_bytes(client: Client, make_flux: Make, tmp_path: Path) -> None:
    flux = make_flux(3)
    text = pd.DataFrame(in_columns(flux)).to_csv(index=False)
    (tmp_path / "t.csv").write_text(text)
    expected = [one.redshift for one in client.predict_csv(str(tmp_path / "t.csv"))]
    with (tmp_path / "t.csv").open() as lines, (tmp_path / "t.csv").open("rb") as file:
        for table in (lines, file, io.StringIO(text), io.BytesIO(text.encode())):
            assert [one.redshift for one in client.predict_csv(table)] == expected
    in_pixels = io.StringIO(pd.DataFrame(in_columns(flux / DR3.pixels)).to_csv(index=False))
    by_pixel = client.predict_csv(in_pixels, unit="per_pixel")
    assert [one.redshift for one in by_pixel] == pytest.approx(expected, abs=2e-6)
    with pytest.raises(ValueError, match="path of a CSV table"):
        client.predict_csv(flux)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"flux": [[1.0] * 186, [1.0] * 185]}, "different lengths"),
        ({"flux": [[{}] * 186]}, "does not hold numbers"),
        ({"flux": np.ones((2, 186)), "model": 5}, "model"),
        ({"flux": np.ones((2, 186)), "rows": "some"}, "rows"),
        ({"flux": np.ones((2, 186)), "pdf": "yes"}, "pdf"),
        ({"flux": pd.DataFrame({"a": [1]})}, "missing"),
        ({"flux": {"bp": np.ones((2, 80)), "rp": np.ones((3, 106))}}, "different lengths: bp 2, rp 3"),
        ({"bp": np.ones((2, 80))}, "bp and rp"),
    ],
)
def test_what_is_given_wrongly_is_refused_in_our_words(given: dict[str, Any], message: str) -> None:
    with Client() as client, pytest.raises(ValueError, match=message) as caught:
        client.predict(**given)
    assert "inhomogeneous" not in str(caught.value)
    assert "validation error" not in str(caught.value)


def test_a_table_without_spectra_says_why_before_anything_is_sent() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="The column spec holds arrays of 186"):
        client.predict(pd.DataFrame({"spec": [[1.0] * 186]}))


class LazyFrame:
    """A stand-in for polars' lazy table."""

    columns = ("flux",)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("spectra.csv", r"gaia_redshift\.read\(path\), or use predict_csv"),
        (LazyFrame(), r"collect\(\) makes it one"),
        (Table({"flux": np.ones((1, 186))})[0], r"Row is not a table .table\[:1\] is one"),
        (np.full((2, 186), "1.5"), "text: if it holds numbers, send array.astype"),
        (np.ones((2, 343)), "XP_SAMPLED"),
    ],
    ids=["path", "lazy", "row", "text", "calibrated"],
)
def test_what_looks_like_spectra_gets_advice(given: Any, message: str) -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match=message):
        client.predict(given)


def test_numbers_in_an_array_of_objects_are_read(client: Client, make_flux: Make) -> None:
    flux = make_flux(3)
    expected = [one.redshift for one in client.predict(flux)]
    assert [one.redshift for one in client.predict(flux.astype(object))] == pytest.approx(expected, abs=2e-6)


def test_a_table_of_another_format_is_told_how_to_be_read(client: Client, tmp_path: Path) -> None:
    (tmp_path / "t.fits").write_bytes(b"SIMPLE  =                    T" + b" " * 2850)
    with pytest.raises(ServiceError, match=r"it is FITS: .*predict\(gaia_redshift\.read\('t\.fits'\)\)"):
        client.predict_csv(tmp_path / "t.fits")


@pytest.mark.parametrize("rows", [2, 20])
def test_a_masked_edge_that_no_model_reads_costs_nothing(client: Client, make_flux: Make, rows: int) -> None:
    flux = make_flux(rows)
    expected = pytest.approx([one.redshift for one in client.predict(flux)], abs=2e-6)
    whole = np.ma.array(np.full((rows, 240), np.nan), mask=True)
    whole[:, 34:114], whole[:, 124:230] = flux[:, :80], flux[:, 80:]
    assert [one.redshift for one in client.predict(whole)] == expected
    assert [one.redshift for one in client.predict(bp=whole[:, :120], rp=whole[:, 120:], rows="strict")] == expected
    whole[1, 40] = np.ma.masked
    error = client.predict(whole)[1].error
    assert error is not None
    assert (error.code, error.message) == ("missing_value", "flux[40] is empty")


def test_no_spectra_are_said_to_be_none_before_anything_is_sent(make_flux: Make) -> None:
    for nothing in (make_flux(2)[:0], pd.DataFrame(in_columns(make_flux(2)))[:0]):
        with Client("http://127.0.0.1:1") as client, pytest.raises(ValueError, match="there are no spectra"):
            client.predict(nothing)
