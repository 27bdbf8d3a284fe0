"""Files that are damaged, or claim what they do not hold: an error that says what to do, and little memory."""

import gzip
import io
import resource
import zipfile
from collections.abc import Callable
from contextlib import suppress

import numpy as np
import pyarrow
import pytest

from gaia_redshift.errors import InvalidTableError, MalformedBodyError, RedshiftError
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.formats import FORMATS, opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra


def table(name: str, rows: int = 50, samples: int = DR3.samples) -> bytes:
    flux = np.random.default_rng(1).uniform(0.1, 1, (rows, samples)).astype(np.float32)
    arrays = pyarrow.array(list(flux), pyarrow.list_(pyarrow.float32()))
    file = io.BytesIO()
    if name == "npy":
        np.save(file, flux)
    elif name == "npz":
        np.savez(file, flux=flux)
    else:
        writer = FORMATS[name].writer(file, {})
        ids = pyarrow.array(np.arange(rows), pyarrow.int64())
        writer.write(pyarrow.RecordBatch.from_arrays([ids, arrays], ["source_id", "flux"]))
        writer.close()
    return file.getvalue()


def read_all(content: bytes, name: str = "") -> int:
    with opened(io.BytesIO(content), name) as found:
        return sum(map(len, read_spectra(found, recognise(found), carry=True)))


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_cut_anywhere_is_refused_or_read_in_part_but_never_crashes(name: str) -> None:
    whole = table(name)
    assert read_all(whole) == 50
    for size in [*range(0, min(len(whole), 400), 11), *np.linspace(400, len(whole) - 1, 20).astype(int).tolist()]:
        with suppress(RedshiftError):
            assert read_all(whole[:size]) <= 50


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_with_damaged_bytes_never_crashes(name: str) -> None:
    whole = bytearray(table(name, rows=8))
    random = np.random.default_rng(3)
    for _ in range(60):
        damaged = whole.copy()
        for place in random.integers(0, len(whole), 3):
            damaged[place] = random.integers(0, 256)
        with suppress(RedshiftError):
            read_all(bytes(damaged), f"a{FORMATS[name].extensions[0]}")


@pytest.mark.parametrize("name", list(FORMATS))
def test_185_samples_are_told_for_every_row(name: str) -> None:
    with opened(io.BytesIO(table(name, 3, 185))) as found:
        (batch,) = read_spectra(found, recognise(found))
    assert {problem.code for problem in batch.problems.values()} == {"ragged_row"}
    assert len(batch.problems) == 3


def claims_of(name: str) -> bytes:
    """Return a small file whose header claims two billion rows."""
    whole = table(name, 1)
    if name == "fits":
        return whole.replace(b"NAXIS2  =                    1", b"NAXIS2  =           2000000000")
    file = io.BytesIO()
    np.lib.format.write_array_header_2_0(file, {"descr": "<f4", "fortran_order": False, "shape": (2_000_000_000, 186)})
    return file.getvalue() + whole


@pytest.mark.parametrize("name", ["fits", "npy"])
def test_what_a_header_claims_is_compared_with_the_file(name: str) -> None:
    with pytest.raises(MalformedBodyError, match="cut short"):
        read_all(claims_of(name))


def bomb(kind: str) -> bytes:
    blank = b"source_id,flux\n" + b"\n" * (140 << 20)  # more than it may be, and than memory may grow
    if kind == "gzip":
        return gzip.compress(blank)
    if kind == "zstd":
        sink = pyarrow.BufferOutputStream()
        with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
            stream.write(blank)
        packed: bytes = sink.getvalue().to_pybytes()
        return packed
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", blank)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["gzip", "zstd", "zip"])
def test_a_compression_bomb_is_refused_before_it_fills_memory_or_disk(kind: str) -> None:
    content = bomb(kind)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(MalformedBodyError, match="unpacks to more than"):
        read_all(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace(b"<VOTABLE", b'<!DOCTYPE VOTABLE [<!ENTITY a "ha">]><VOTABLE', 1), "entities"),
        (lambda text: text.replace(b"base64", b"gzip"), "not in it as base64"),
        (lambda text: text.replace(b'datatype="long"', b'datatype="loong"'), "datatype"),
        (lambda text: text[: text.index(b"<DATA>")] + b"</TABLE></RESOURCE></VOTABLE>", "no rows"),
        (lambda _: b"<?xml version='1.0'?>" + b"<a>" * 10_000, "too deep"),
    ],
)
def test_an_invalid_votable_is_refused(change: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises((MalformedBodyError, InvalidTableError), match=message):
        read_all(change(table("votable", 2)))


def test_a_footer_of_parquet_with_a_damaged_byte_anywhere_never_ends_the_process() -> None:
    whole = table("parquet", rows=4)
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    for place in range(footer, len(whole) - 8, 3):
        for value in (1, 0x80):
            damaged = whole[:place] + bytes([whole[place] ^ value]) + whole[place + 1 :]
            with suppress(RedshiftError):
                read_all(damaged)


@pytest.mark.parametrize(("count", "offset"), [(1 << 61, 0), (186, (1 << 63) - 8), (1 << 40, 1 << 40)])
def test_an_array_of_fits_that_points_anywhere_is_damage(count: int, offset: int) -> None:
    fits = pytest.importorskip("astropy.io.fits")
    rows = np.empty(1, object)
    rows[0] = np.ones(186, np.float32)
    file = io.BytesIO()
    fits.BinTableHDU.from_columns([fits.Column("flux", "QE()", array=rows)]).writeto(file)
    whole = file.getvalue()
    pointer = np.array([186, 0], ">i8").tobytes()
    assert pointer in whole
    with pytest.raises(MalformedBodyError, match="points beyond its end"):
        read_all(whole.replace(pointer, np.array([count, offset], ">i8").tobytes()))


def test_rows_that_cannot_be_split_into_cells_are_an_error_of_their_own() -> None:
    content = b"\r,&N\r#\r\x03,&N\r#\r\x03-&,&N\r#\r-&,&N\r#\r"
    with pytest.raises(RedshiftError):
        read_all(content, "a.npy")


def test_an_archive_of_arrays_that_unpacks_too_far_is_refused() -> None:
    file = io.BytesIO()
    np.savez_compressed(file, flux=np.zeros((250_000, DR3.samples), np.float32))
    assert len(file.getvalue()) < 1 << 20
    with pytest.raises(MalformedBodyError, match="unpacks to more than"):
        read_all(file.getvalue())
