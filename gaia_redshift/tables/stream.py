"""Gzipped text of the archive, unpacked while it is read, without a temporary file. Imports its neighbours.

A bulk file has one gigabyte compressed and three of text. Seeking back starts again from the beginning. The checksum is
compared at the end, so damage is found there at the latest.
"""

import io
import zlib
from gzip import BadGzipFile, GzipFile
from importlib import import_module
from importlib.util import find_spec
from typing import IO, Any

from gaia_redshift.errors import MalformedBodyError
from gaia_redshift.tables.unpack import FREE_BYTES, GZIP, MOST_RATIO

_isal: Any = import_module("isal.igzip") if find_spec("isal") else None
"""Unzips four times as fast as zlib (the extra `bulk`)."""
_open: Any = GzipFile if _isal is None else _isal.IGzipFile

_HEAD_BYTES = 64 << 10
_SKIPPED_BYTES = 1 << 20
_MARK = b"bp_coefficients"
_NOT_CSV = (b"<", b"{", b"SIMPLE")
_DAMAGED: Any = (EOFError, ValueError, zlib.error, BadGzipFile)
_DAMAGED += () if _isal is None else (_isal.igzip_lib.IsalError,)


class GzipStream(io.BufferedIOBase):
    """The content of a gzip file, from start to end; seeking back starts again from the beginning.

    Parameters
    ----------
    file : binary file that can seek
        It stays open.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._most = file.seek(0, 2) * MOST_RATIO + FREE_BYTES
        self._unpacked: Any = None
        self._place = 0
        self.seek(0)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True; seeking reads up to the place."""
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        """Go to a place counted from the start; raises as `read`."""
        if whence:
            raise io.UnsupportedOperation("places are counted from the start")
        self._file.seek(0)
        self._unpacked = _open(fileobj=self._file, mode="rb")
        self._place = 0
        while self._place < place:
            if not self.read(min(_SKIPPED_BYTES, place - self._place)):
                break
        return self._place

    def tell(self) -> int:
        """Return the current place."""
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """Return the next bytes.

        Raises
        ------
        MalformedBodyError
            If the file is damaged, cut short, or unpacks to far more than its size.
        """
        try:
            found: bytes = self._unpacked.read(size)
        except _DAMAGED as error:
            raise MalformedBodyError(f"the file cannot be unpacked, it is damaged or cut short: {error}") from error
        self._place += len(found)
        if self._place > self._most:
            raise MalformedBodyError(f"the file unpacks to more than {MOST_RATIO} times its size: unpack it first")
        return found


def archive_stream(file: IO[bytes]) -> GzipStream | None:
    """Return a stream over a gzipped file of the archive's text, None for any other file."""
    file.seek(0)
    start = file.read(_HEAD_BYTES)
    file.seek(0)
    if not start.startswith(GZIP):
        return None
    try:
        text = zlib.decompressobj(wbits=31).decompress(start, _HEAD_BYTES)
    except zlib.error:
        return None
    return GzipStream(file) if _MARK in text.lower() and not text.startswith(_NOT_CSV) else None
