"""The column ebv of tables in files and in memory."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pytest

from gaia_redshift import Predictor
from gaia_redshift.errors import InvalidInputError, InvalidTableError
from gaia_redshift.spectra import DR3, SpectrumBatch, Unit
from gaia_redshift.tables.csv import open_csv
from gaia_redshift.tables.dataframes import read_blocks
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from training.simulation.cli import simulate

FLUX = np.random.default_rng(1).uniform(1, 9, (5, DR3.samples)).astype(np.float32)
NAN = float("nan")


def csv(cells: list[str], name: str = "EBV") -> SpectrumBatch:
    frame = pd.DataFrame(FLUX[: len(cells)], columns=[f"flux_{sample}" for sample in range(DR3.samples)])
    frame.insert(0, name, cells)
    table = open_csv(io.BytesIO(frame.to_csv(index=False).encode()))
    return next(iter(read_spectra(table, recognise(table), carry=True)))


def test_a_column_of_a_file_is_read_in_any_case_and_stays_in_the_table() -> None:
    batch = csv(["0.1", "", "0", "nan"])
    np.testing.assert_allclose(batch.ebv, [0.1, NAN, 0, NAN])
    assert not batch.problems
    assert batch.carried.schema.names == ["EBV"]


def test_a_wrong_cell_is_an_error_of_its_row() -> None:
    batch = csv(["0.1", "low", "-0.2", "3", "0.2"])
    assert {row: problem.code for row, problem in batch.problems.items()} == dict.fromkeys([1, 2, 3], "invalid_ebv")
    assert batch.problems[1].message == "ebv is 'low': it must be a number from 0 to 1 mag"
    np.testing.assert_allclose(batch.ebv, [0.1, np.inf, -0.2, 3, 0.2])


def test_what_was_recognised_says_that_the_spectra_are_corrected() -> None:
    arrays = {"source_id": [1, 2], "flux": list(FLUX[:2]), "ebv": [0.1, 0.2]}
    (batch,) = read_blocks(pyarrow.table(arrays), DR3)
    assert batch.ebv.tolist() == [0.1, 0.2]
    table = open_csv(io.BytesIO(pd.DataFrame(FLUX, columns=[f"flux_{n}" for n in range(186)]).to_csv().encode()))
    assert recognise(table).ebv is None


@pytest.mark.parametrize("column", [[[0.1]], [{"a": 1}]], ids=["lists", "structures"])
def test_a_column_of_anything_but_numbers_is_refused(column: list[object]) -> None:
    with pytest.raises(InvalidTableError, match="column ebv has the type"):
        list(read_blocks(pyarrow.table({"flux": list(FLUX[:1]), "ebv": column}), DR3))


def test_two_columns_are_refused() -> None:
    table = pyarrow.table([[FLUX[0]], [0.1], [0.2]], names=["flux", "ebv", "EBV"])
    for each in (table, pd.DataFrame({"flux": [FLUX[0]], "ebv": 0.1, "EBV": 0.2})):
        with pytest.raises(InvalidTableError, match="duplicate column ebv"):
            list(read_blocks(each, DR3))


@pytest.mark.parametrize("unit", [None, "per_pixel"])
def test_tables_in_memory_have_the_column_and_its_unit_is_not_that_of_the_fluxes(unit: Unit | None) -> None:
    from astropy.table import Table

    table = Table({"flux": FLUX, "ebv": np.ma.array([0.1, 0.2, 9, 0.3, 0], mask=[0, 0, 1, 0, 0])})
    table["ebv"].unit = "mag"
    (batch,) = read_blocks(table, DR3, unit)
    np.testing.assert_allclose(batch.ebv, [0.1, 0.2, NAN, 0.3, 0])
    frame = pd.DataFrame({"flux": list(FLUX), "ebv": [0.1, None, 2, 0.3, 0]})
    (batch,) = read_blocks(frame, DR3, unit)
    np.testing.assert_allclose(batch.ebv, [0.1, NAN, 2, 0.3, 0])
    assert batch.problems[2].code == "invalid_ebv"


def test_values_that_are_given_go_before_the_column_and_must_fit() -> None:
    frame = pd.DataFrame({"flux": list(FLUX), "ebv": 0.5})
    (batch,) = read_blocks(frame, DR3, ebv=[0.1, 0.2, NAN, 0.3, 0])
    np.testing.assert_allclose(batch.ebv, [0.1, 0.2, NAN, 0.3, 0])
    (batch,) = read_blocks(FLUX, DR3, ebv=0.2)
    assert batch.ebv.tolist() == [0.2] * 5
    for wrong in ([0.1], [0.1] * 6, [[0.1]] * 5, ["a"] * 5, True):
        with pytest.raises(InvalidInputError, match="ebv "):
            list(read_blocks(FLUX, DR3, ebv=wrong))


def test_a_predictor_corrects_and_says_to_what() -> None:
    predictor = Predictor("default", engine="onnx", threads=1)
    plain = predictor(FLUX)
    half = predictor(FLUX, ebv=[NAN, NAN, 0.3, 0.3, 0.3])
    assert (half["redshift"][:2] == plain["redshift"][:2]).all()
    assert (half["redshift"][2:] != plain["redshift"][2:]).all()
    frame = pd.DataFrame({"flux": list(FLUX), "ebv": [NAN, NAN, 0.3, 0.3, 0.3]})
    assert (predictor(frame)["redshift"].to_numpy() == half["redshift"]).all()
    every = predictor(FLUX, ebv=0.3, pdf=True)
    assert every["pdf"].shape == (5, len(predictor.bin_edges) - 1)
    assert every["redshift"][2:].tolist() == half["redshift"][2:].tolist()


@pytest.mark.parametrize("carry", [True, False])
def test_the_archives_coefficients_and_their_signal_to_noise_are_read_beside_it(tmp_path: Path, carry: bool) -> None:
    path = tmp_path / "xp_continuous.csv"
    simulate(path, count=4, seed=1, workers=1)
    frame = pd.read_csv(path, dtype=str).assign(ebv=["0.1", "9", "", "0.2"])

    def read(content: pd.DataFrame) -> SpectrumBatch:
        with opened(io.BytesIO(content.to_csv(index=False).encode()), path.name) as table:
            found = recognise(table)
            table.settle(found.others)
            return next(iter(read_spectra(table, found, carry=carry, errors=True)))

    plain, dusty = read(frame.drop(columns="ebv")), read(frame)
    np.testing.assert_array_equal(plain.flux, dusty.flux)
    np.testing.assert_allclose(dusty.ebv, [0.1, 9, NAN, 0.2])
    assert list(dusty.problems) == [1]
    for name in ("snr_bp", "snr_rp"):
        assert plain.carried[name][3].as_py() == dusty.carried[name][3].as_py()
