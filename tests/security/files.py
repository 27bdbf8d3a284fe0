"""Hostile files for the readers of tables: each with a name, its bytes and its media type, made when it is needed."""

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
import pyarrow
from pyarrow import parquet

from gaia_redshift.spectra import DR3
from tests.security.corpus import NAMES, ROW

CSV, GZIP, ZIP, NPY, JSONL, FITS, PARQUET, VOTABLE = (
    "text/csv",
    "application/gzip",
    "application/zip",
    "application/x-npy",
    "application/x-ndjson",
    "application/fits",
    "application/vnd.apache.parquet",
    "application/x-votable+xml",
)
TABLE = f"{NAMES}\n{ROW}\n".encode()
_LINE = json.dumps({"flux": [float(number) for number in ROW.split(",")]}).encode() + b"\n"


def long_directory(members: int, extension: bytes) -> bytes:
    """Return a zip archive that lists one empty file many times."""
    name = b"a" + extension
    local = b"PK\x03\x04" + struct.pack("<HHHHHIIIHH", 20, 0, 0, 0, 0, 0, 0, 0, len(name), 0) + name
    entry = b"PK\x01\x02" + struct.pack("<HHHHHHIIIHHHHHII", 20, 20, *[0] * 7, len(name), *[0] * 6) + name
    end = struct.pack("<HHHHIIH", 0, 0, members & 0xFFFF, members & 0xFFFF, len(entry) * members, len(local), 0)
    return local + entry * members + b"PK\x05\x06" + end


def zipped(*files: tuple[str, bytes]) -> bytes:
    """Return a zip archive of files."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return packed.getvalue()


def npy(dtype: str, shape: str, data: bytes = bytes(7440)) -> bytes:
    """Return an array by its header; the data need not fit it."""
    header = f"{{'descr': {dtype}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def fits(width: int, rows: int, form: str) -> bytes:
    """Return a FITS file whose header claims rows of so many bytes."""

    def cards(*values: tuple[str, object]) -> bytes:
        text = "".join(f"{name:8}= {value:>20}".ljust(80) for name, value in values) + "END".ljust(80)
        return text.encode() + b" " * (-len(text) % 2880)

    table = [("XTENSION", "'BINTABLE'"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", width), ("NAXIS2", rows)]
    table += [("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 1), ("TTYPE1", "'flux    '"), ("TFORM1", f"'{form:8}'")]
    return cards(("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0)) + cards(*table) + bytes(2880)


def votable(rows: str, start: str = "<TABLEDATA>") -> bytes:
    """Return a VOTable of spectra."""
    head = '<?xml version="1.0"?><VOTABLE><RESOURCE><TABLE><FIELD name="flux" datatype="float" arraysize="186"/><DATA>'
    return f"{head}{start}{rows}</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>".encode()


def broken() -> Iterator[tuple[str, bytes, str]]:
    """Yield files that must be refused."""
    yield "gzip, 200,000 members", gzip.compress(b"a") * 200_000, GZIP
    yield "gzip, 200,000 empty members", gzip.compress(b"") * 200_000, GZIP
    yield "gzip, a name without end", b"\x1f\x8b\x08\x08" + b"\0" * 5 + b"\xff" + b"a" * 10_000_000, GZIP
    yield "gzip, cut short", gzip.compress(TABLE * 100)[:-20], GZIP
    yield "gzip in gzip", gzip.compress(gzip.compress(TABLE)), GZIP
    yield "zip, 500,000 members", long_directory(500_000, b".csv"), ZIP
    yield "npz, 300,000 arrays", long_directory(300_000, b".npy"), ZIP
    yield "npz, 2,000 arrays", zipped(*((f"{n}.npy", npy("'<f4'", "(1,)", bytes(4))) for n in range(2000))), ZIP
    yield "npz that lies", zipped(("flux.npy", npy("'<f4'", "(10000000, 186)"))), ZIP
    yield "npz of objects", zipped(("flux.npy", npy("'|O'", "(1, 186)", b"cos\nsystem\n(S'id'\ntR."))), ZIP
    yield "npy, a negative length", npy("'<f4'", "(-1, 186)"), NPY
    yield "npy of dates", npy("'<M8[ns]'", "(1, 186)"), NPY
    yield "npy, records of nothing", npy("[]", "(9000000000,)", b""), NPY
    yield "JSON lines, lists in lists", b'{"flux":[' + b"[0]," * 200_000 + b"[0]]}\n", JSONL
    yield "JSON lines, 300,000 objects a line", _LINE + (b'{"x":[' + b"{}," * 300_000 + b"{}]}\n") * 20, JSONL
    yield "JSON lines, 500,000 lines that are none", _LINE + b"x\n" * 500_000, JSONL
    yield "JSON lines, 500,000 numbers", _LINE + b"1\n" * 500_000, JSONL
    yield "JSON lines, deep", b'{"flux":' + b"[" * 90_000 + b"]" * 90_000 + b"}\n", JSONL
    yield "FITS, rows without bytes", fits(0, 10**12, "0E"), FITS
    yield "FITS, a cell of 4 TB", fits(4 * 10**12, 1, "999999999999E"), FITS
    yield "FITS, fewer rows than none", fits(744, -5, "186E"), FITS
    yield "CSV, 300,000 arrays of one number", b"source_id,flux\n" + b"1,2\n" * 300_000, CSV
    yield "ECSV, an object of Python", b"# %ECSV 1.0\n# ---\n# a: !!python/object/apply:os.system [id]\nflux\n1\n", CSV
    yield "VOTable, a cell of blanks", votable("<TR><TD>1" + " " * 900_000 + "</TD></TR>"), VOTABLE
    yield "VOTable, cells without end", votable("<TR>" + "<TD " * 250_000 + "</TD></TR>"), VOTABLE
    yield "VOTable, three million cells", votable("<TR>" + "<TD/>" * 3_000_000 + "</TR>"), VOTABLE
    yield "VOTable, a long start of the rows", votable("", "<TABLEDATA" + " " * 1_200_000 + ">"), VOTABLE
    yield "VOTable, a name of 20 MB", b"<VOTABLE><" + b"a" * 20_000_000 + b">", VOTABLE
    attributes = b" ".join(b'a%d=""' % number for number in range(300_000))
    yield "VOTable, 300,000 attributes", b"<VOTABLE " + attributes + b">", VOTABLE
    nothing = votable("AAAA", '<BINARY><STREAM encoding="base64">').replace(b'"186"', b'"0"')
    yield "VOTable, rows without bytes", nothing.replace(b"</TABLEDATA>", b"</STREAM></BINARY>"), VOTABLE
    yield "CSV, a header of quotes", b'"a' + b'""a' * 300_000 + b"\n" + TABLE, CSV
    yield "CSV, a million line ends before the header", b"\r" * 1_100_000 + TABLE, CSV


def strange() -> Iterator[tuple[str, bytes, str, int]]:
    """Yield unusual but valid files, with their numbers of rows."""
    yield "npy of long doubles", npy("'<f16'", "(2, 186)", np.ones((2, 186), np.longdouble).tobytes()), NPY, 2
    flux = np.tile(np.array([float(number) for number in ROW.split(",")], np.float32), (40_000, 1))
    packed = io.BytesIO()
    np.savez_compressed(packed, flux=flux, source_id=np.arange(40_000))
    yield "npz, 30 MB of arrays", packed.getvalue(), ZIP, 40_000
    fortran = io.BytesIO()
    np.save(fortran, np.asfortranarray(flux))
    yield "npy by columns, 30 MB", fortran.getvalue(), NPY, 40_000
    yield "JSON lines, 98,000 values a line", _LINE + (b'{"x":[' + b"{}," * 49_000 + b"{}]}\n") * 15, JSONL, 16
    yield "JSON lines, 100,000 empty objects", _LINE + b"{}\n" * 100_000, JSONL, 100_001
    ragged = (b"1\n" * 5000 + (ROW + "\n").encode() * 60) * 15
    yield "CSV, 75,000 ragged rows", NAMES.encode() + b"\n" + ragged, CSV, 75_900
    yield "CSV, 8,000 rows of empty cells", NAMES.encode() + b"\n" + (b"," * 185 + b"\n") * 8000, CSV, 8000
    yield "a table in a zip of many levels", zipped(("../../a.csv", TABLE)), ZIP, 1


def _parquet(column: pyarrow.Array) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"flux": column}), file)
    return file.getvalue()


def empty_rows(rows: int) -> Iterator[tuple[str, bytes, str]]:
    """Yield tables of one good row, or none, and then of rows that hold no usable spectrum, in few bytes each."""
    names = NAMES.encode()
    yield "JSON lines, empty objects", _LINE + b"{}\n" * rows, JSONL
    yield "JSON lines, null", _LINE + b'{"flux":null}\n' * rows, JSONL
    yield "JSON lines, short", _LINE + b'{"flux":[1]}\n' * rows, JSONL
    yield "JSON lines, text", _LINE + b'{"flux":"x"}\n' * rows, JSONL
    yield "JSON lines, another name", b'{"fluxes":[1]}\n' * rows, JSONL
    yield "JSON lines, empty objects alone", b"{}\n" * rows, JSONL
    yield "CSV, an identifier", b"source_id,flux\n" + b"1,\n" * rows, CSV
    yield "CSV, a word", names + b"\n" + ROW.encode() + b"\n" + b"x\n" * rows, CSV
    yield "gzip of JSON lines", gzip.compress(_LINE + b"{}\n" * rows), GZIP
    yield "Parquet, null", _parquet(pyarrow.nulls(rows, pyarrow.list_(pyarrow.float32()))), PARQUET
    flat = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(np.zeros(rows * DR3.samples, np.float32)), DR3.samples)
    yield "Parquet, zeros", _parquet(flat), PARQUET
