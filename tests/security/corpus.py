"""Hostile uploads, made when they are needed: nothing here is stored as a file. Each has a name and its bytes."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator

from app.spectra import FLUX_COUNT

NAMES = ",".join(f"flux_{number}" for number in range(FLUX_COUNT))
ROW = ",".join(f"{0.1 + number / 1000:.3f}" for number in range(FLUX_COUNT))


def _zip_bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("table.csv", b"0," * (20 << 20))
    return packed.getvalue()


def _tar_outside() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("../../outside.csv")
        member.size = 4
        archive.addfile(member, io.BytesIO(b"0,1\n"))
    return packed.getvalue()


_LAUGHS = b'<?xml version="1.0"?><!DOCTYPE VOTABLE [<!ENTITY a "ha">' + b"".join(
    b'<!ENTITY %c "%s">' % (98 + level, b"&%c;" % (97 + level) * 10) for level in range(9)
)
_HDF5 = b"\x89HDF\r\n\x1a\n" + b"\x00" * 8 + b"\xff" * 48


def tables() -> Iterator[tuple[str, bytes]]:
    """Yield uploads that are no table of spectra, or pretend to be one."""
    yield "nothing", b""
    yield "zip bomb", _zip_bomb()
    yield "gzip bomb", gzip.compress(b"0" * (10 << 20))
    yield "tar with a path outside", _tar_outside()
    yield "billion laughs", _LAUGHS + b"]><VOTABLE>&j;</VOTABLE>"
    yield "external entity", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><VOTABLE>&a;</VOTABLE>'
    yield "pickle", pickle.dumps({"a": 1})
    yield "Parquet without a footer", b"PAR1" + b"\x15\x04" * 100
    yield "Parquet with a huge footer", b"PAR1" + b"\x00" * 64 + struct.pack("<I", 2**31 - 1) + b"PAR1"
    yield "FITS with a huge axis", (b"SIMPLE  =                    T" + b" " * 50) * 36
    yield "HDF5 with addresses outside", _HDF5
    yield "NUL bytes", NAMES.encode() + b"\n" + b"\x00" * 100_000
    yield "UTF-16", (NAMES + "\n" + ROW).encode("utf-16")
    yield "invalid UTF-8", NAMES.encode() + b"\n\xff\xfe\xfd"
    yield "open quote", NAMES.encode() + b'\n"' + b"1,2\n" * 1_000_000
    yield "open quote in the header", b'"' + NAMES.encode() * 1000
    yield "one giant cell", NAMES.encode() + b"\n" + b"1" * (4 << 20)
    yield "giant header", b",".join(b"c%d" % number for number in range(200_000))
    yield "a hundred thousand equal columns", b",".join([b"flux_0"] * 100_000)
    yield "ragged rows", "\n".join([NAMES, *(",".join(["1"] * length) for length in range(1, 400))]).encode()
    yield "only line ends", b"\n" * 1_000_000
    yield "only line ends below a header", NAMES.encode() + b"\n" * 1_000_000
    yield "carriage returns", NAMES.encode() + b"\r" * 100_000
    yield "numbers without end", "\n".join([NAMES, ",".join(["9" * 400] * FLUX_COUNT)]).encode()
    yield "exponents", "\n".join([NAMES, ",".join(["1e999999999"] * FLUX_COUNT)]).encode()
    yield "formulas", "\n".join(["source_id," + NAMES, '"=HYPERLINK(""x"")",' + ROW]).encode()
    yield "digits of other scripts", "\n".join([NAMES, ",".join(["١٢"] * FLUX_COUNT)]).encode()


def documents() -> Iterator[tuple[str, bytes]]:
    """Yield JSON bodies that are no request, or pretend to be one."""
    flux = b"[" + ROW.encode() + b"]"
    yield "deep arrays", b"[" * 1_000_000
    yield "deep objects", b'{"spectra":' * 200_000
    yield "deep inside a spectrum", b'{"spectra":[{"flux":' + b"[" * 100_000
    yield "empty arrays", b'{"spectra":[' + b"[]," * 3_000_000 + b"0]}"
    yield "nested arrays", b'{"spectra":[' + b"[[0]]," * 2_000_000 + b"0]}"
    yield "many keys", b'{"spectra":[{' + b",".join(b'"%x":0' % number for number in range(500_000)) + b"}]}"
    yield "many numbers", b'{"spectra":[{"flux":[' + b"1e1," * 4_000_000 + b"0]}]}"
    yield "brackets in strings", b'{"spectra":[{"flux":' + flux + b',"source_id":"' + b"[{" * 100_000 + b'"}]}'
    yield "a string that never closes", b'{"spectra":["' + b'\\"' * 3_000_000
    yield "a huge number", b'{"spectra":[{"flux":[' + b"9" * 1_000_000 + b"]}]}"
    yield "a huge exponent", b'{"spectra":[{"flux":[1e' + b"9" * 1_000_000 + b"]}]}"
    yield "equal keys", b'{"spectra":[],' + b'"spectra":[],' * 100_000 + b'"pdf":false}'
    yield "lone surrogate", b'{"spectra":[{"flux":' + flux + b',"source_id":"\\ud800"}]}'
    yield "NUL in a name", b'{"spectra":[{"flux":[],"source_id":"a\\u0000b"}]}'
    yield "not a number", b'{"spectra":[{"flux":' + flux.replace(b"0.100", b"NaN") + b"}]}"
    yield "UTF-16", '{"spectra": []}'.encode("utf-16")
    yield "byte order mark", b"\xef\xbb\xbf" + b'{"spectra": []}'
    yield "prototype", b'{"__proto__": {"pdf": true}, "constructor": {}, "spectra": []}'
    yield "pickle", pickle.dumps([1])
    yield "a model elsewhere", b'{"spectra":[{"flux":' + flux + b'}],"model":"../../etc/passwd"}'
