"""Hostile uploads, made when they are needed: nothing here is stored as a file. Each has a name and its bytes."""

import gzip
import io
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator

import pyarrow

from gaia_redshift.spectra import DR3
from tests.security.messages import V4, V5, bomb

NAMES = ",".join(f"flux_{number}" for number in range(DR3.samples))
ROW = ",".join(f"{0.1 + number / 1000:.3f}" for number in range(DR3.samples))


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
    """Yield uploads that are not tables of spectra."""
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
    yield "numbers without end", "\n".join([NAMES, ",".join(["9" * 400] * DR3.samples)]).encode()
    yield "exponents", "\n".join([NAMES, ",".join(["1e999999999"] * DR3.samples)]).encode()
    yield "formulas", "\n".join(["source_id," + NAMES, '"=HYPERLINK(""x"")",' + ROW]).encode()
    yield "digits of other scripts", "\n".join([NAMES, ",".join(["١٢"] * DR3.samples)]).encode()


def documents() -> Iterator[tuple[str, bytes]]:
    """Yield JSON bodies that are not requests."""
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


def _npy(header: str, data: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + data


def arrays() -> Iterator[tuple[str, bytes]]:
    """Yield ``.npy`` bodies that are not arrays of spectra."""
    shape = "{'descr': '<f4', 'fortran_order': False, 'shape': "
    yield "nothing", b""
    yield "pickle", pickle.dumps({"a": 1})
    yield "an archive of arrays", _zip_bomb()
    yield "objects", _npy(shape.replace("<f4", "|O") + "(1, 186), }", pickle.dumps([1]))
    yield "more than there is", _npy(shape + "(10000, 186), }", b"\0" * 744)
    yield "more than there can be", _npy(shape + f"({2**62}, 186), }}")
    yield "a number of a thousand digits", _npy(shape + f"({'9' * 1000}, 186), }}")
    yield "nothing times anything", _npy(shape + f"({2**62}, 0), }}")
    yield "a negative length", _npy(shape + "(-1, 186), }", b"\0" * 744)
    yield "code", _npy("__import__('os').system('true')")
    yield "brackets", _npy("(" * 60_000)
    yield "a header that never ends", b"\x93NUMPY\x03\x00" + struct.pack("<I", 2**32 - 1) + b" " * 1_000_000
    yield "two types", _npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 186), }", b"\0" * 744)
    yield "not a number", _npy(shape + "(10000, 186), }", b"\xff" * 7_440_000)
    yield "one good spectrum", _npy(shape + "(1, 186), }", b"\0\0\x80\x3f" * 186)
    yield "subnormal", _npy(shape + "(10000, 186), }", b"\x01\0\0\0" * 1_860_000)


def _stream(table: pyarrow.Table, compression: str | None = None) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(
        sink, table.schema, options=pyarrow.ipc.IpcWriteOptions(compression=compression)
    ) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def streams() -> Iterator[tuple[str, bytes]]:
    """Yield Arrow bodies that are not streams of spectra."""
    flux = pyarrow.array([[float(number) for number in ROW.split(",")]], pyarrow.list_(pyarrow.float32()))
    good = _stream(pyarrow.table({"flux": flux, "source_id": ["a"]}))
    yield "nothing", b""
    yield "Parquet", b"PAR1" + b"\x15\x04" * 100
    yield "a file, not a stream", b"ARROW1\0\0" + good
    yield "pickle", pickle.dumps({"a": 1})
    yield "a length of all bits", b"\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 1000
    yield "no end", good[:-9]
    yield "one good spectrum", good
    yield "a packed buffer that begins before its message", _displaced(flux)
    yield "cut in the numbers", good[: len(good) // 2]
    yield "zstd bomb", _stream(pyarrow.table({"flux": flux, "source_id": ["\0" * (400 << 20)]}), "zstd")
    yield "lz4 bomb", _stream(pyarrow.table({"flux": flux, "other": ["\0" * (400 << 20)]}), "lz4")
    yield "two streams", good + good
    yield "a stream and more", good + b"\0"
    yield "a dictionary", _stream(pyarrow.table({"flux": flux, "source_id": pyarrow.array(["a"]).dictionary_encode()}))
    yield "fifty thousand columns", _stream(pyarrow.table({f"c{number}": [0] for number in range(50_000)}))
    yield "equal columns", _stream(pyarrow.table([flux] * 1000, names=["flux"] * 1000))
    yield "deep lists", _stream(pyarrow.table({"flux": pyarrow.array([None], _deep(60))}))
    yield "a hundred thousand empty batches", _empty_batches(100_000)
    yield "lists that lie about their ends", _patched(good, b"\xba\0\0\0", b"\xff\xff\xff\x7f")
    yield "lists that go backwards", _patched(good, b"\xba\0\0\0", b"\xff\xff\xff\xff")
    yield "invalid UTF-8 in a name", _patched(good, b"source_id", b"source\xff\xff\xff")
    for position in range(0, len(good) - 800, 7):  # the metadata, not the numbers
        yield f"a flipped byte at {position}", good[:position] + bytes([good[position] ^ 0xFF]) + good[position + 1 :]


def bombs(size: int) -> Iterator[tuple[str, bytes]]:
    """Yield Arrow streams whose batches declare compression in every possible place."""
    for codec in ("zstd", "lz4"):
        for schema in (V4, V5):
            for version in (0, V4, V5):
                name = f"{codec} bomb, schema {schema}, batch {version}"
                where: dict[str, int] = {"schema_version": schema, "version": version}
                yield f"{name}, hidden", bomb(size, codec=codec, **where)
                yield f"{name}, stated", bomb(size, codec=codec, hidden=False, stated=True, **where)
                yield f"{name}, both", bomb(size, codec=codec, stated=True, **where)


def _deep(levels: int) -> pyarrow.DataType:
    kind = pyarrow.float32()
    for _ in range(levels):
        kind = pyarrow.list_(kind)
    return kind


def _patched(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content, old
    return content.replace(old, new)


def _displaced(flux: pyarrow.Array) -> bytes:
    """Return a compressed stream whose second batch has a buffer at a negative offset."""
    packed = _stream(pyarrow.table({"flux": flux}), "lz4")
    start = packed.index(struct.pack("<qq", 0, 0)) + 16
    while struct.unpack_from("<q", packed, start + 8)[0] < 8:
        start += 16
    return packed[:start] + struct.pack("<q", -200) + packed[start + 8 :]


def _empty_batches(count: int) -> bytes:
    kind = pyarrow.schema({"flux": pyarrow.list_(pyarrow.float32())})
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, kind) as stream:
        empty = pyarrow.record_batch([pyarrow.array([], kind.field(0).type)], schema=kind)
        for _ in range(count):
            stream.write_batch(empty)
    content: bytes = sink.getvalue().to_pybytes()
    return content
