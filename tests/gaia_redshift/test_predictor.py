"""The one way in: any table, the same bits, in other threads and processes."""

import pickle
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest

import gaia_redshift
from gaia_redshift import Predictor
from gaia_redshift.errors import InvalidBundleError, UnknownModelError, UnsupportedByModelError
from gaia_redshift.interpretation.prior import PriorTable
from gaia_redshift.interpretation.result import COLUMNS, AnswerOptions
from gaia_redshift.spectra import DR3, FloatArray, SpectrumBatch
from tests.tiny import SHIPPED, write_tiny_bundle


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor("default", engine="onnx", threads=1)


@pytest.fixture
def flux() -> FloatArray:
    flux = np.random.default_rng(3).uniform(0.1, 9, (5, DR3.samples)).astype(np.float32)
    flux[2] = 0
    return flux


def expected(predictor: Predictor, flux: FloatArray) -> list[float]:
    return predictor.answer(flux).redshift.tolist()


def test_an_array_gives_a_structured_array_and_a_bad_row_its_reason(predictor: Predictor, flux: FloatArray) -> None:
    found = predictor(flux)
    assert found.dtype.names[:5] == COLUMNS
    np.testing.assert_array_equal(found["redshift"], expected(predictor, flux))
    assert found["status"].tolist() == ["ok", "ok", "error", "ok", "ok"]
    assert "constant_spectrum" in found["error"][2]
    assert len(predictor(flux[0])) == 1


@pytest.mark.parametrize("pdf", [False, True])
def test_the_network_sees_no_row_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, flux: FloatArray, pdf: bool
) -> None:
    predictor, seen = Predictor("default", engine="onnx", threads=1), []
    engine = predictor.engine

    def count(flux: FloatArray, *others: Any, **options: Any) -> Any:
        seen.append(len(flux))
        return engine(flux, *others, **options)

    whole = predictor.answer(flux[[0, 1, 3, 4]], [(1, "flat"), (3, "survey")], pdf=pdf)
    monkeypatch.setattr(predictor, "engine", count)
    found = predictor.answer(flux, [(1, "flat"), (4, "survey")], pdf=pdf)
    assert seen == [4]
    np.testing.assert_array_equal(found.values[[0, 1, 3, 4]], whole.values)
    assert np.isnan(found.values[2]).all()
    if pdf:
        np.testing.assert_array_equal(found.pdf[[0, 1, 3, 4]], whole.pdf)
    nothing = predictor.answer(np.zeros_like(flux), pdf=pdf)
    assert seen == [4, 0]
    assert (len(nothing), (nothing.pdf is not None)) == (5, pdf)


def make(kind: str, flux: FloatArray) -> Any:
    names, rows = ["a", "b", "c", "d", "e"], [row.tolist() for row in flux]
    if kind in {"table", "batch"}:
        columns = {"name": pyarrow.array(names), "flux": pyarrow.array(rows, pyarrow.list_(pyarrow.float32()))}
        return pyarrow.table(columns) if kind == "table" else pyarrow.RecordBatch.from_pydict(columns)
    library = pytest.importorskip(kind if kind != "astropy" else "astropy.table")
    if kind == "astropy":
        return library.Table({"name": names, "flux": flux})
    columns = {"name": names} | {f"flux_{number}": flux[:, number] for number in range(DR3.samples)}
    return library.DataFrame(columns)


@pytest.mark.parametrize("kind", ["table", "batch", "pandas", "polars", "astropy"])
def test_a_table_comes_back_as_the_same_kind_with_columns_added(
    predictor: Predictor, flux: FloatArray, kind: str
) -> None:
    table = make(kind, flux)
    found = predictor(table, pdf=True)
    assert type(found) is type(table)
    redshift, names = (
        column.to_pylist() if hasattr(column, "to_pylist") else list(column)
        for column in (found["redshift"], found["name"])
    )
    np.testing.assert_array_equal(np.array(redshift, np.float64), expected(predictor, flux))
    assert [str(name) for name in names] == [*"abcde"]


def test_threads_share_it_and_get_the_same_bits(predictor: Predictor, flux: FloatArray) -> None:
    wanted = np.array(expected(predictor, flux))
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(lambda _: predictor.answer(flux).redshift, range(20)):
            np.testing.assert_array_equal(found, wanted)


def test_it_is_loaded_again_on_the_other_side_with_its_settings(predictor: Predictor, flux: FloatArray) -> None:
    other = pickle.loads(pickle.dumps(predictor))
    assert other.manifest.id == predictor.manifest.id
    np.testing.assert_array_equal(other.answer(flux).redshift, expected(predictor, flux))


def test_another_bundle_on_the_other_side_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    sent = pickle.dumps(Predictor(folder, engine="onnx", threads=1))
    shutil.rmtree(folder)
    write_tiny_bundle(folder, version="9.9.9")
    with pytest.raises(InvalidBundleError, match="a different bundle"):
        pickle.loads(sent)


def test_a_model_is_found_by_name_version_or_path() -> None:
    for wanted in ("default", "default@0.5.0", SHIPPED / "default"):
        assert Predictor(wanted, engine="onnx", threads=1).manifest.id == "default@0.5.0"
    with pytest.raises(UnknownModelError, match="there are: default@0"):
        Predictor("defualt")


def test_spectra_of_another_grid_are_refused_in_one_line(predictor: Predictor, flux: FloatArray) -> None:
    other = replace(DR3, name="smsgen-dr9-1", release="Gaia DR9")
    with pytest.raises(UnsupportedByModelError, match=r"these are Gaia DR9 spectra .* reads Gaia DR3"):
        predictor.predict(SpectrumBatch(flux, grid=other), AnswerOptions())


def test_the_face_predicts_with_the_default_model(flux: FloatArray) -> None:
    assert gaia_redshift.load() is gaia_redshift.load()
    np.testing.assert_array_equal(gaia_redshift.predict(flux)["redshift"], expected(gaia_redshift.load(), flux))


def test_a_prior_may_be_a_mapping_or_a_table(predictor: Predictor, flux: FloatArray) -> None:
    nodes = {"redshift": [0.0, 0.1, 0.6], "density": [0.0, 4.0, 1.0]}
    expected = predictor(flux, prior=PriorTable(**nodes))["redshift"]
    np.testing.assert_array_equal(predictor(flux, prior=nodes)["redshift"], expected)
    np.testing.assert_array_equal(predictor(flux, prior=pyarrow.table(nodes))["redshift"], expected)
    assert not np.array_equal(expected, predictor(flux)["redshift"], equal_nan=True)
