"""Gaia's archive files, real ones among them, against gaiaxpy."""

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.errors import InvalidTableError, UnsupportedByModelError
from gaia_redshift.spectra import DR3, GRIDS, RELEASES, Basis, Release, SpectrumBatch
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.spectra import check_readable, read_spectra
from tests.tiny import REFERENCE

ARCHIVE = REFERENCE / "gaia_xp"
real = pytest.mark.skipif(not ARCHIVE.exists(), reason="the archive's files are not here")


def read(path: Path, *, errors: bool = False) -> tuple[Recognised, SpectrumBatch]:
    with path.open("rb") as file, opened(file, path.name) as table:
        found = recognise(table)
        (batch,) = read_spectra(table, found, carry=True, errors=errors)
        return found, batch


def converted(path: Path, band: str) -> tuple[Any, Any]:
    """Return gaiaxpy's fluxes and errors at our positions, in e-/s per sample."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gaiaxpy = pytest.importorskip("gaiaxpy")
        import matplotlib as mpl

        mpl.rcParams["text.usetex"] = False
        positions = DR3.positions
        ours = positions.pseudo_wavelength[(positions.band == band.upper()) & positions.kept]
        order = np.argsort(ours)
        spectra, _ = gaiaxpy.convert(str(path), sampling=ours[order], save_file=False)
    chosen = spectra[spectra["xp"].str.lower() == band]
    basis = RELEASES["Gaia DR3"].basis
    assert basis is not None
    step = basis.step("BP" if band == "bp" else "RP")
    made = []
    for column in ("flux", "flux_error"):
        values = np.stack(chosen[column].to_list())
        unsorted = np.empty_like(values)
        unsorted[:, order] = values
        made.append(unsorted * step)
    return made[0], made[1]


@real
@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "xml"])
def test_fluxes_and_errors_are_those_of_gaiaxpy(suffix: str) -> None:
    path = ARCHIVE / f"XP_CONTINUOUS_RAW.{suffix}"
    found, batch = read(path, errors=True)
    assert found.release == "Gaia DR3"
    assert batch.source_id == ([5853498713190525696, 5762406957886626816] if suffix != "csv" else [
        "5853498713190525696", "5762406957886626816"
    ])  # fmt: skip
    basis = RELEASES["Gaia DR3"].basis
    assert basis is not None
    with path.open("rb") as file, opened(file, path.name) as table:
        for band, part in (("bp", slice(0, 80)), ("rp", slice(80, 186))):
            flux, error = converted(path, band)
            assert batch.flux[:, part] == pytest.approx(flux, rel=1e-6)  # float32
            (coefficients,) = table.blocks(found.bands[band], found.bands[band])
            from gaia_redshift.tables.samples import from_arrays

            numbers = from_arrays(band, coefficients.columns.column(0), (55,)).values
            name: Any = band.upper()
            ours = basis.samples(name, numbers)
            assert np.abs(ours - flux).max() <= 1e-12 * np.abs(flux).max()
            block = next(iter(table.blocks(found.errors[band], found.errors[band])))
            errors, correlations = (
                from_arrays(band, column, (length,)).values.astype(np.float64)
                for column, length in zip(block.columns.columns, (55, 1485), strict=True)
            )
            assert basis.errors(name, errors, correlations) == pytest.approx(
                error, rel=1e-7 if suffix == "fits" else 1e-9
            )
            ratio = np.median(flux / error, axis=1)
            assert batch.carried.column(f"snr_{band}").to_pylist() == pytest.approx(ratio.tolist(), rel=1e-6)


@real
def test_a_missing_band_is_a_problem_of_its_row() -> None:
    _, batch = read(ARCHIVE / "XP_CONTINUOUS_RAW_with_missing_BP.csv")
    assert len(batch) == 3
    assert {row: problem.message for row, problem in batch.problems.items()} == {1: "bp_coefficients is empty"}


@real
def test_what_is_no_spectrum_passes_through_with_its_types_units_and_ucds() -> None:
    _, batch = read(ARCHIVE / "XP_CONTINUOUS_RAW.xml")
    names = batch.carried.schema.names
    assert names[:4] == ["source_id", "solution_id", "bp_basis_function_id", "bp_degrees_of_freedom"]
    assert not any("coefficient" in name for name in names)
    assert str(batch.carried.schema.field("bp_degrees_of_freedom").type) == "int16"
    assert batch.carried.schema.field("source_id").metadata[b"ucd"] == b"meta.id;meta.main"


def coefficients(path: Path, blue: int, red: int, before: str = "") -> Path:
    rows = [f'"{[0.5] * blue}","{[0.25] * red}"' for _ in range(2)]
    path.write_text(before + "\n".join(["bp_coefficients,rp_coefficients", *rows]) + "\n")
    return path


def test_dr4_is_recognised_by_its_sizes_and_refused_by_name(tmp_path: Path) -> None:
    path = coefficients(tmp_path / "a.csv", 51, 55)
    with path.open("rb") as file, opened(file) as table:
        found = recognise(table)
        assert "Gaia DR4 MEAN_SPECTRUM_XP, 51 BP and 55 RP coefficients" in found.sentence
        with pytest.raises(UnsupportedByModelError, match=r"Gaia DR4 spectra, tiny@1.2.3 reads Gaia DR3"):
            check_readable(found, DR3, "tiny@1.2.3")
        with pytest.raises(UnsupportedByModelError, match="Gaia DR4 coefficients"):
            next(read_spectra(table, found))


def test_sizes_of_no_release_are_refused_with_those_that_are_known(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match=r"60 BP and 55 RP coefficients; known are Gaia DR3 55 [+] 55"):
        read(coefficients(tmp_path / "a.csv", 60, 55))


def test_a_file_that_says_another_release_than_it_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidTableError, match="says that it holds Gaia DR4, but its columns are of Gaia DR3"):
        read(coefficients(tmp_path / "a.csv", 55, 55, "# RELEASE: Gaia DR4\n"))


def test_a_new_release_is_an_entry_and_its_bases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = replace(DR3, name="smsgen-dr9-1", release="Gaia DR9")
    matrices = {"BP": np.ones((31, 80)), "RP": np.full((33, 106), 2.0), "BP_step": np.array(1), "RP_step": np.array(1)}
    np.savez(tmp_path / "basis.npz", **matrices)  # type: ignore[arg-type]
    release = Release(
        "Gaia DR9", (31, 33), ("SPECTRUM_XP_9",), ("blue_coefficients", "red_coefficients"), "gaiadr9", grid,
        Basis(tmp_path / "basis.npz"),
    )  # fmt: skip
    monkeypatch.setitem(RELEASES, release.name, release)
    path = tmp_path / "a.csv"
    path.write_text(f'Blue_Coefficients,RED_coefficients\n"{[1.0] * 31}","{[1.0] * 33}"\n')
    found, batch = read(path)
    assert "Gaia DR9 SPECTRUM_XP_9" in found.sentence
    assert batch.grid.name == "smsgen-dr9-1"
    assert batch.flux[0, [0, 79, 80, 185]].tolist() == [31, 31, 66, 66]
    check_readable(found, grid, "new@1")
    with pytest.raises(UnsupportedByModelError, match=r"Gaia DR9 spectra, old@1 reads Gaia DR3"):
        check_readable(found, DR3, "old@1")


def test_what_a_table_of_samples_says_of_its_grid_comes_before_what_a_model_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grid = replace(DR3, name="smsgen-dr9-1", release="Gaia DR9")
    release = Release("Gaia DR9", (31, 33), ("SPECTRUM_XP_9",), ("b", "r"), "gaiadr9", grid)
    monkeypatch.setitem(RELEASES, release.name, release)
    monkeypatch.setitem(GRIDS, grid.name, grid)
    table = pyarrow.table({"flux": [[1.0] * DR3.samples]})
    for said, wanted in (({"grid_id": DR3.name}, DR3.name), ({"release": "Gaia DR3"}, DR3.name), ({}, grid.name)):
        file = io.BytesIO()
        parquet.write_table(table.replace_schema_metadata(said), file)
        with opened(file) as content:
            assert recognise(content, grid).grid.name == wanted


@pytest.mark.parametrize("arrays", [False, True])
def test_the_tables_of_gaiaxpy_convert_are_refused_with_what_to_give_instead(arrays: bool) -> None:
    rows = [[1.0] * 120] * 2
    if arrays:
        file = io.BytesIO()
        parquet.write_table(pyarrow.table({"source_id": [1, 1], "xp": ["BP", "RP"], "flux": rows}), file)
    else:
        text = "\n".join(["source_id,xp,flux", *(f'1,{xp},"{tuple(rows[0])}"' for xp in ("BP", "RP"))])
        file = io.BytesIO(text.encode())
    with opened(file) as table, pytest.raises(InvalidTableError, match=r"gaiaxpy\.convert .*XP_CONTINUOUS file itself"):
        recognise(table)
