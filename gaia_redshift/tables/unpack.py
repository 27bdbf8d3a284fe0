"""Compressed files, unpacked into a file of bounded size. Imports `errors` of the project."""

import gzip
import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO, Any

from gaia_redshift.errors import MalformedBodyError

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"

PACKINGS = {GZIP: "gzip", ZSTD: "zstd", ZIP: "zip"}
"""What is unpacked, by its first bytes."""

_NOT_READ = {b"BZh": "bzip2", b"\xfd7zX": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}

MOST_RATIO = 200
"""A table that unpacks to more times its size, and `FREE_BYTES`, is a bomb: spectra compress two- to tenfold."""
FREE_BYTES = 64 << 20
_IN_MEMORY_BYTES = 1 << 20
_DAMAGED = (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
_PIECE_BYTES = 1 << 20


def unpacked(file: IO[bytes]) -> tuple[IO[bytes], str]:
    """Return what a file holds, and how it is packed: ``gzip``, ``zstd``, ``zip`` or not at all (empty).

    Parameters
    ----------
    file : binary file that can seek
        A zip archive must have one member, or be NumPy's ``.npz``, which is left as it is.

    Raises
    ------
    MalformedBodyError
        If it is damaged, has several members, or unpacks to far more than its size.
    """
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    most = size * MOST_RATIO + FREE_BYTES
    try:
        if start.startswith(GZIP):
            return _spooled(_pieces(gzip.GzipFile(fileobj=file, mode="rb")), most), "gzip"
        if start == ZSTD:
            return _spooled(_zstd(file), most), "zstd"
        if start == ZIP:
            return _member(file, most)
        for mark, name in _NOT_READ.items():
            if start.startswith(mark):
                raise MalformedBodyError(f"the file is packed by {name}, which is not read: unpack it, or use gzip")
    except (
        OSError,
        ValueError,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        zipfile.BadZipFile,
        NotImplementedError,
    ) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise MalformedBodyError(f"the file cannot be unpacked, it is damaged or cut short: {error}") from error
    return file, ""


def spooled(file: IO[bytes]) -> IO[bytes]:
    """Return a copy of what comes from a pipe, in which one can seek."""
    return _spooled(_pieces(file), sys.maxsize)


def _pieces(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _zstd(file: IO[bytes]) -> Iterator[bytes]:
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), "zstd") as stream:
        yield from _pieces(stream)


def _member(file: IO[bytes], most: int) -> tuple[IO[bytes], str]:
    with zipfile.ZipFile(file) as archive:
        members = [
            one
            for one in archive.infolist()
            if not one.filename.endswith("/") and not one.filename.startswith("__MACOSX/")
        ]
        if members and all(one.filename.endswith(".npy") for one in members):
            file.seek(0)
            return file, ""
        names = {one.filename for one in members}
        if "[Content_Types].xml" in names or "mimetype" in names:
            raise MalformedBodyError("the file is a workbook (.xlsx, .ods) or another document: save its sheet as CSV")
        if len(members) != 1:
            raise MalformedBodyError(
                f"the zip archive has {len(members)} files: unpack it, and give the one that holds the table"
            )
        if members[0].flag_bits & 1:
            raise MalformedBodyError("the zip archive is encrypted: unpack it first")
        with archive.open(members[0]) as stream:
            return _spooled(_pieces(stream), most), "zip"


def _bomb(most: int) -> MalformedBodyError:
    return MalformedBodyError(
        f"the file unpacks to more than {most} bytes, over {MOST_RATIO} times its size: unpack it first"
    )


def _bounded(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > most:
            raise _bomb(most)
        yield piece


def _spooled(pieces: Iterator[bytes], most: int) -> IO[bytes]:
    target: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES)  # noqa: SIM115 - outlives this function
    try:
        for piece in _bounded(pieces, most):
            target.write(piece)
        target.seek(0)
    except BaseException:
        target.close()
        raise
    return target
