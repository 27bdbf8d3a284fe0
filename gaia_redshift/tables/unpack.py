"""Compressed files, unpacked into a file of bounded size. Imports `errors` of the project."""

import lzma
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, Any, cast

from gaia_redshift.errors import MalformedBodyError

GZIP, ZSTD, ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"

_EMPTY_ZIP = b"PK\x05\x06"

PACKINGS = {GZIP: "gzip", ZSTD: "zstd", ZIP: "zip"}
"""What is unpacked, by its first bytes."""

_NOT_READ = {b"BZh": "bzip2", b"\xfd7zX": "xz", b"7z\xbc\xaf": "7-Zip", b"Rar!": "RAR"}

MOST_RATIO = 200
"""A file may unpack to so many times its size plus `FREE_BYTES`: spectra compress two- to tenfold."""
FREE_BYTES = 64 << 20
_IN_MEMORY_BYTES = 1 << 20
_DAMAGED = (OSError, ValueError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, NotImplementedError)
_PIECE_BYTES = 1 << 20


def unpacked(file: IO[bytes]) -> tuple[IO[bytes], str]:
    """Return the unpacked content of a file, and its compression: ``gzip``, ``zstd`` or empty.

    Parameters
    ----------
    file : binary file that can seek
        A zip archive is left as it is: `members` opens it.

    Raises
    ------
    MalformedBodyError
        If it is damaged, or unpacks to far more than its size.
    """
    size = file.seek(0, 2)
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    most = size * MOST_RATIO + FREE_BYTES
    try:
        if start.startswith(GZIP):
            return _spooled(_stream(file, "gzip"), most), "gzip"
        if start == ZSTD:
            return _spooled(_stream(file, "zstd"), most), "zstd"
        for mark, name in _NOT_READ.items():
            if start.startswith(mark):
                raise MalformedBodyError(f"the file is packed by {name}, which is not read: unpack it, or use gzip")
    except _DAMAGED as error:
        raise _damaged(error) from error
    return file, ""


def _damaged(error: Exception) -> Exception:
    """Return what to raise where unpacking failed: the error itself where it is the disk's."""
    if isinstance(error, OSError) and error.errno is not None:
        return error
    return MalformedBodyError(f"the file cannot be unpacked, it is damaged or cut short: {error}")


def spooled(file: IO[bytes]) -> IO[bytes]:
    """Return a copy of a pipe's content that can seek."""
    return _spooled(_pieces(file), sys.maxsize)


def _pieces(stream: Any) -> Iterator[bytes]:
    while piece := stream.read(_PIECE_BYTES):
        yield piece


def _stream(file: IO[bytes], codec: str) -> Iterator[bytes]:
    """Unpack by Arrow: Python's gzip takes 8 s for a file of 200,000 members."""
    import pyarrow

    with pyarrow.CompressedInputStream(pyarrow.PythonFile(file, mode="r"), codec) as stream:
        yield from _pieces(stream)


def zip_archive(file: IO[bytes]) -> zipfile.ZipFile:
    """Open a zip archive; refuse a long list of members, which takes twenty times its size in memory."""
    return zipfile.ZipFile(cast("IO[bytes]", _Guarded(file)))


class _Guarded:
    """A file whose reads are limited in size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        """Read so much."""
        if size > _PIECE_BYTES:
            raise MalformedBodyError("the zip archive lists too many files: give the one that holds the table")
        return self._file.read(size)


@contextmanager
def unpacked_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, members: Sequence[zipfile.ZipInfo], size: int
) -> Iterator[IO[bytes]]:
    """Unpack a member of a zip archive.

    Parameters
    ----------
    archive : ZipFile
    member : ZipInfo
    members : sequence of ZipInfo
        All that will be unpacked: together they may not be far larger than the archive.
    size : int
        Of the archive, in bytes.

    Raises
    ------
    MalformedBodyError
        If it is damaged or encrypted, or all unpack to far more than the size.
    """
    if member.flag_bits & 1:
        raise MalformedBodyError("the zip archive is encrypted: unpack it first")
    most = size * MOST_RATIO + FREE_BYTES
    if sum(one.file_size for one in members) > most:
        raise _bomb(most)
    try:
        with archive.open(member) as stream:
            content = _spooled(_pieces(stream), member.file_size)
    except _DAMAGED as error:
        raise _damaged(error) from error
    with content:
        yield content


def is_zip_of_tables(file: IO[bytes]) -> bool:
    """Return whether a file is a zip archive other than NumPy's ``.npz``."""
    file.seek(0)
    start = file.read(4)
    if start not in {ZIP, _EMPTY_ZIP}:
        return False
    try:
        with zip_archive(file) as archive:
            members = archive.infolist()
    except _DAMAGED as error:
        raise _damaged(error) from error
    finally:
        file.seek(0)
    return not members or not all(one.filename.endswith(".npy") for one in members)


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
