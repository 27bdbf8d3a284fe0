"""What other programs write in their own way and must not be lost: units, masks, identifiers, packing."""

import bz2
import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.table import QTable, Table
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3, SpectrumBatch
from gaia_redshift.tables.csv import read_csv
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.readers.astropy_header import read_yaml
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra, unit_of_columns

NAMES = [f"flux_{place}" for place in range(DR3.samples)]


@pytest.fixture
def flux() -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(0.1, 1, (3, DR3.samples))


def first(path: Path) -> SpectrumBatch:
    with path.open("rb") as file, opened(file) as table:
        return next(read_spectra(table, recognise(table), carry=True))


def as_csv(flux: NDArray[np.float64], ids: list[str]) -> bytes:
    rows = [f"{name},{','.join(map(str, row))}" for name, row in zip(ids, flux.tolist(), strict=True)]
    return "\n".join([",".join(["source_id", *NAMES]), *rows]).encode()


@pytest.mark.filterwarnings("ignore:The unit", "ignore:.*W50")
@pytest.mark.parametrize("form", ["fits", "votable", "parquet", "ascii.ecsv"])
def test_units_of_astropy_are_found_in_every_format(form: str, flux: NDArray[np.float64], tmp_path: Path) -> None:
    unit = units.electron / units.s / units.pix
    QTable({"source_id": [1, 2, 3], "flux": flux * unit}).write(tmp_path / "t", format=form)
    with (tmp_path / "t").open("rb") as file, opened(file) as table:
        assert unit_of_columns(table, recognise(table), "per_sample") == "per_pixel"


@pytest.mark.filterwarnings("ignore:The unit", "ignore:.*W50")
def test_unit_that_fits_cuts_over_two_comments_is_found(flux: NDArray[np.float64], tmp_path: Path) -> None:
    name = "a_column_whose_name_nearly_fills_a_comment_of_a_fits_header"
    table = QTable({"flux": flux * units.electron / units.s / units.pix, name: [1, 2, 3] * units.electron / units.pix})
    table.write(tmp_path / "t.fits")
    with (tmp_path / "t.fits").open("rb") as file, opened(file) as found:
        assert [(field.metadata or {}).get(b"unit") for field in found.schema] == [
            b"electron / (pix s)",
            b"electron / pix",
        ]


@pytest.mark.parametrize("array", [True, False])
def test_masked_samples_in_parquet_of_astropy_are_missing(
    array: bool, flux: NDArray[np.float64], tmp_path: Path
) -> None:
    hidden = np.ma.array(flux, mask=False)
    hidden[1, 3] = np.ma.masked
    columns = {"flux": hidden} if array else {name: hidden[:, place] for place, name in enumerate(NAMES)}
    Table({"source_id": [1, 2, 3], **columns}).write(tmp_path / "t.parquet")
    batch = first(tmp_path / "t.parquet")
    assert {row: one.code for row, one in batch.problems.items()} == {1: "missing_value"}
    np.testing.assert_allclose(batch.flux[[0, 2]], flux[[0, 2]], rtol=1e-6)


def test_ecsv_with_a_mask_apart_from_its_numbers_is_refused(flux: NDArray[np.float64], tmp_path: Path) -> None:
    hidden = np.ma.array(flux, mask=flux > 0.9)
    Table({"flux": hidden}).write(tmp_path / "t.ecsv", serialize_method="data_mask")
    with pytest.raises(InvalidTableError, match=r"the column flux\.mask holds a mask"):
        first(tmp_path / "t.ecsv")


@pytest.mark.parametrize("name", ["5e+18", "5000000000000000000.0", "4.29580672E+18"])
def test_identifiers_written_as_floats_are_refused(name: str, flux: NDArray[np.float64]) -> None:
    with pytest.raises(InvalidTableError, match="cannot hold Gaia's 64-bit ids"):
        list(read_csv(io.BytesIO(as_csv(flux, ["1", name, "2"]))))


@pytest.mark.parametrize("name", ["Gaia DR3 4295806720", "3E12", "J1234+5.6", "NGC 1.5", "v1.2.3"])
def test_names_that_are_no_floats_are_kept(name: str, flux: NDArray[np.float64]) -> None:
    batches = read_csv(io.BytesIO(as_csv(flux, ["1", name, "2"])))
    assert [one for batch in batches for one in batch.source_id or []] == ["1", name, "2"]


@pytest.mark.parametrize(
    ("content", "what"),
    [(gzip.compress(b"a,b"), "gzip"), (b"PAR1", "Parquet"), (b"SIMPLE  =", "FITS"), (b"<VOTABLE>", "VOTable")],
    ids=["gzip", "Parquet", "FITS", "VOTable"],
)
def test_what_is_not_csv_is_named_with_the_way_to_send_it(content: bytes, what: str) -> None:
    with pytest.raises(MalformedBodyError, match=f"it is {what}: send it to POST /predict/table"):
        list(read_csv(io.BytesIO(content)))


@pytest.mark.parametrize(
    ("content", "what"), [(bz2.compress(b"a"), "bzip2"), (lzma.compress(b"a"), "xz")], ids=["bzip2", "xz"]
)
def test_packing_that_is_not_read_is_named(content: bytes, what: str) -> None:
    with pytest.raises(MalformedBodyError, match=f"packed by {what}"), opened(io.BytesIO(content)):
        pass


def test_yaml_that_could_take_long_is_refused() -> None:
    with pytest.raises(MalformedBodyError, match="longer than"):
        read_yaml("a" * (1 << 20 | 1), "the header")
    with pytest.raises(MalformedBodyError, match="aliases"):
        read_yaml("a: &x [1]\nb: *x", "the header")
