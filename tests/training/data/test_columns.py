"""The same galaxies in every format, whatever the columns are called and however they are ordered."""

import gzip
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from astropy.io import fits, votable
from astropy.table import MaskedColumn
from astropy.table import Table as AstropyTable

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3, RELEASES
from gaia_redshift.tables.formats import FORMATS
from tests.training.conftest import galaxies
from training.data.dataset import load

Columns = Mapping[str, Any]
FLUX, REDSHIFT = galaxies(12)
SOURCE_ID = np.arange(12, dtype=np.int64) + 4_000_000_000_000_000_000


def write_fits(columns: Columns, path: Path) -> None:
    AstropyTable(columns).write(path)


def write_votable(columns: Columns, path: Path) -> None:
    AstropyTable(columns).write(path, format="votable", tabledata_format="binary2")


def write_tabledata(columns: Columns, path: Path) -> None:
    AstropyTable(columns).write(path, format="votable", tabledata_format="tabledata")


def arrow(columns: Columns) -> pa.Table:
    return pa.table({name: pa.array(list(map(list, v)) if np.ndim(v) == 2 else v) for name, v in columns.items()})


def write_parquet(columns: Columns, path: Path) -> None:
    pyarrow.parquet.write_table(arrow(columns), path)


def write_csv(columns: Columns, path: Path) -> None:
    pyarrow.csv.write_csv(arrow(columns), path)


def write_gzipped_csv(columns: Columns, path: Path) -> None:
    write_csv(columns, path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


ARRAYS: dict[str, Callable[[Columns, Path], None]] = {
    "set.fits": write_fits,
    "set.fits.gz": write_fits,
    "set.vot": write_votable,
    "set.xml": write_tabledata,
    "set.parquet": write_parquet,
}
SINGLE = {**ARRAYS, "set.csv": write_csv, "set.csv.gz": write_gzipped_csv}


def single_columns(flux: Any, prefix: str) -> dict[str, Any]:
    return {f"{prefix}_{index}": flux[:, index] for index in range(flux.shape[1])}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_spectrum_may_be_one_array(name: str, tmp_path: Path) -> None:
    ARRAYS[name]({"Flux": FLUX, "ra": REDSHIFT, "Z": REDSHIFT, "Source_ID": SOURCE_ID}, tmp_path / name)
    dataset = load(tmp_path / name)
    np.testing.assert_array_equal(dataset.flux, FLUX)
    np.testing.assert_array_equal(dataset.redshift, REDSHIFT)
    assert dataset.source_id is not None
    assert dataset.source_id.tolist() == SOURCE_ID.astype(str).tolist()
    assert dataset.flux.dtype == np.float32
    assert dataset.flux.dtype.isnative


@pytest.mark.parametrize("name", SINGLE)
def test_a_spectrum_may_be_186_columns_in_any_order_and_case(name: str, tmp_path: Path) -> None:
    columns = {"z": REDSHIFT, **single_columns(FLUX, "FLUX"), "part": np.array(["train", "test"] * 6)}
    SINGLE[name](dict(reversed(columns.items())), tmp_path / name)
    dataset = load(tmp_path / name)
    np.testing.assert_array_equal(dataset.flux, FLUX)
    assert dataset.part is not None
    assert dataset.part.tolist() == ["train", "test"] * 6


@pytest.mark.parametrize("name", ARRAYS)
def test_bp_and_rp_arrays_are_cut_and_joined(name: str, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    bp, rp = (random.normal(3, 1, (12, DR3.bp.samples)).astype(np.float32) for _ in range(2))
    ARRAYS[name]({"z": REDSHIFT, "bp": bp, "rp": rp}, tmp_path / name)
    np.testing.assert_array_equal(load(tmp_path / name).flux, DR3.assemble(bp, rp))
    write_csv({"z": REDSHIFT, **single_columns(bp, "bp"), **single_columns(rp, "rp")}, tmp_path / "single.csv")
    np.testing.assert_array_equal(load(tmp_path / "single.csv").flux, DR3.assemble(bp, rp))


@pytest.mark.parametrize("name", ["set.fits", "set.vot", "set.parquet", "set.csv"])
def test_a_missing_number_is_a_missing_value_in_every_format(name: str, tmp_path: Path) -> None:
    redshift = MaskedColumn(REDSHIFT, mask=np.arange(12) == 4)
    columns: dict[str, Any] = {"z": redshift, **single_columns(FLUX, "flux")}
    if name in {"set.parquet", "set.csv"}:
        columns["z"] = pa.array(REDSHIFT, mask=np.arange(12) == 4)
    SINGLE[name](columns, tmp_path / name)
    with pytest.raises(InvalidInputError) as caught:
        load(tmp_path / name)
    assert [detail.at for detail in caught.value.details] == ["row 4"]


def test_a_missing_whole_number_is_no_parent(tmp_path: Path) -> None:
    parent = MaskedColumn(np.arange(12), mask=np.arange(12) == 4, fill_value=99)
    for name in ("set.fits", "set.vot"):
        ARRAYS[name]({"z": REDSHIFT, "flux": FLUX, "parent_id": parent}, tmp_path / name)
        found = load(tmp_path / name).parent
        assert found is not None
        assert found[4] < 0
        assert found[5] == 5


def test_what_a_fits_or_votable_file_says_of_its_origin_is_heard(tmp_path: Path) -> None:
    table = AstropyTable({"z": REDSHIFT, "flux": FLUX})
    document = votable.tree.VOTableFile.from_table(table)
    for name, value in {"simulated": "true", "seed": "7"}.items():
        document.infos.append(votable.tree.Info(name=name, value=value))
    document.to_xml(str(tmp_path / "set.vot"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", fits.verify.VerifyWarning)  # nine letters need HIERARCH
        unit = fits.table_to_hdu(table)
        unit.header["HIERARCH simulated"] = True
        unit.header["seed"] = 7
    unit.writeto(tmp_path / "set.fits")
    for name in ("set.vot", "set.fits"):
        dataset = load(tmp_path / name)
        assert dataset.simulated is True
        assert dataset.provenance == {"seed": "7", "grid_id": DR3.name}


@pytest.mark.parametrize("name", ["set.fits", "set.vot"])
def test_variable_arrays_are_read_and_a_wrong_length_is_named(name: str, tmp_path: Path) -> None:
    rows = [*FLUX[:11], FLUX[11, :-1]]
    if name == "set.fits":
        column = fits.Column("flux", "PE()", array=np.array(rows, dtype=object))
        fits.BinTableHDU.from_columns([column, fits.Column("z", "E", array=REDSHIFT)]).writeto(tmp_path / name)
    else:
        cells = [f"<TR><TD>0.1</TD><TD>{' '.join(map(str, row))}</TD></TR>" for row in rows]
        fields = '<FIELD name="z" datatype="float"/><FIELD name="flux" datatype="float" arraysize="*"/>'
        document = f"<TABLE>{fields}<DATA><TABLEDATA>{''.join(cells)}</TABLEDATA></DATA></TABLE>"
        head = '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3"><RESOURCE>'
        (tmp_path / name).write_text(f"{head}{document}</RESOURCE></VOTABLE>", encoding="utf-8")
    with pytest.raises(InvalidInputError, match="row 11: flux has 185 samples, not 186"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ARRAYS)
def test_columns_that_cannot_be_spectra_are_named(name: str, tmp_path: Path) -> None:
    ARRAYS[name]({"z": REDSHIFT, "flux": REDSHIFT}, tmp_path / name)
    with pytest.raises(InvalidInputError, match="column flux holds single values, not arrays"):
        load(tmp_path / name)
    ARRAYS[name]({"z": REDSHIFT, "flux": FLUX[:, :100]}, tmp_path / f"short-{name}")
    with pytest.raises(InvalidInputError, match="row 0: flux has 100 samples, not 186"):
        load(tmp_path / f"short-{name}")
    ARRAYS[name]({"z": FLUX, "flux": FLUX}, tmp_path / f"arrays-{name}")
    with pytest.raises(InvalidInputError, match="column z holds arrays, not single values"):
        load(tmp_path / f"arrays-{name}")


def test_csv_may_hold_arrays_as_text(tmp_path: Path) -> None:
    rows = [f'{z},"[{", ".join(map(str, flux))}]"' for z, flux in zip(REDSHIFT, FLUX, strict=True)]
    (tmp_path / "set.csv").write_text("\n".join(["z,flux", *rows]), encoding="utf-8")
    np.testing.assert_array_equal(load(tmp_path / "set.csv").flux, FLUX)


@pytest.mark.parametrize("name", [name for name, one in FORMATS.items() if one.writes])
def test_every_format_that_is_written_can_be_learnt_from(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"set{FORMATS[name].extensions[0]}"
    columns = {"z": pa.array(REDSHIFT), "flux": arrow({"flux": FLUX})["flux"].combine_chunks()}
    with path.open("wb") as file:
        writer = FORMATS[name].writer(file, {"simulated": "true"})
        writer.write(pa.RecordBatch.from_pydict({"source_id": pa.array(SOURCE_ID), **columns}))
        writer.close()
    dataset = load(path)
    np.testing.assert_allclose(dataset.flux, FLUX, rtol=1e-6)
    np.testing.assert_allclose(dataset.redshift, REDSHIFT, rtol=1e-6)
    assert dataset.source_id is not None
    assert dataset.source_id.tolist() == SOURCE_ID.astype(str).tolist()


@pytest.mark.parametrize("name", ["set.fits", "set.vot", "set.parquet"])
def test_coefficients_of_the_archive_become_fluxes(name: str, tmp_path: Path) -> None:
    basis = RELEASES["Gaia DR3"].basis
    assert basis is not None
    bp, rp = (np.random.default_rng(seed).normal(3, 1, (12, 55)) for seed in (1, 2))
    ARRAYS[name]({"source_id": SOURCE_ID, "z": REDSHIFT, "bp_coefficients": bp, "rp_coefficients": rp}, tmp_path / name)
    wanted = np.concatenate([basis.samples("BP", bp), basis.samples("RP", rp)], axis=1)
    np.testing.assert_allclose(load(tmp_path / name).flux, wanted, rtol=1e-5, atol=1e-5)


def test_text_where_a_number_belongs_is_refused_in_every_format(tmp_path: Path) -> None:
    words = np.array(["far"] * 12)
    for name, write in {"set.fits": write_fits, "set.vot": write_votable, "set.parquet": write_parquet}.items():
        write({"z": words, "flux": FLUX}, tmp_path / name)
        with pytest.raises(InvalidInputError, match=r"does not hold numbers|cannot be read"):
            load(tmp_path / name)


def test_an_image_is_not_a_table(tmp_path: Path) -> None:
    fits.PrimaryHDU(FLUX).writeto(tmp_path / "image.fits")
    with pytest.raises(InvalidInputError, match=r"image\.fits: the FITS file holds no binary table"):
        load(tmp_path / "image.fits")


@pytest.mark.parametrize("content", [b"", b"\n", b"\x89PNG\r\n\x1a\n\x00\xff", b"<VOTABLE>", b"SIMPLE  =  T"])
@pytest.mark.parametrize("name", ["rubbish.fits", "rubbish.vot", "rubbish.fits.gz"])
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInputError, match=name):
        load(tmp_path / name)


@pytest.mark.filterwarnings("ignore")
def test_a_truncated_table_is_refused_in_one_sentence(tmp_path: Path) -> None:
    write_fits({"z": REDSHIFT, "flux": FLUX}, tmp_path / "whole.fits")
    write_votable({"z": REDSHIFT, "flux": FLUX}, tmp_path / "whole.vot")
    for name in ("whole.fits", "whole.vot"):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[: len(content) // 2])
        with pytest.raises(InvalidInputError, match=name):
            load(tmp_path / name)
