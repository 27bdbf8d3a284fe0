"""The body of an HTTP request: which of the bytes after a head belong to it. Imports `errors`; no input or output.

How a body ends is what its head says (`head`): after a number of bytes, or with its last chunk. Chunks are checked as
they arrive, so that an endless or a malformed one is refused before its end.
"""

import re
from typing import Protocol

from app.errors import BodyTooLargeError, HeadersTooLargeError, MalformedRequestError
from app.serving.http.head import Head

_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")
_CHUNK_LINE_BYTES = 256
_CHUNKS_AT_ONCE = 2048
"""Chunks and trailers read in one turn of the event loop: 300,000 chunks of one byte took half a second."""


class Body(Protocol):
    """Extracts a body from the bytes after its head."""

    complete: bool
    behind: bool
    """Whether the last call left bytes that it could have read, for the next turn of the event loop."""

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the part of the body in `data`, and the rest, for the next call or the next request."""
        ...


class Counted:
    """A body with a Content-Length.

    Parameters
    ----------
    length : int
        Bytes.
    """

    __slots__ = ("_left", "behind", "complete")

    def __init__(self, length: int) -> None:
        self._left, self.complete, self.behind = length, not length, False

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the part of the body, and the bytes after the body."""
        left = self._left - len(data)
        if left > 0:
            self._left = left
            return data, b""
        self.complete = True
        return (data, b"") if not left else (data[:left], data[left:])


class Chunked:
    """A chunked body; trailers are checked and dropped.

    Parameters
    ----------
    most_bytes : int
        Of the trailers together, and of the chunks' extensions together.
    largest : int
        Bytes of a body: a chunk that would make it larger is refused when its size is read.

    Raises
    ------
    HeadersTooLargeError
        By `read`, if there are more.
    BodyTooLargeError
        By `read`, if the body is larger, or will be.
    MalformedRequestError
        Raised by `read` if the bytes are not chunks.
    """

    __slots__ = ("_extensions", "_largest", "_left", "_most", "_room", "_trailers", "behind", "complete")

    def __init__(self, most_bytes: int, largest: int) -> None:
        self._most, self._extensions, self._trailers = most_bytes, 0, 0
        self._largest = self._room = largest
        self._left = -1  # bytes of this chunk and its line end; -1 before a size, -2 among the trailers
        self.complete = self.behind = False

    def read(self, data: bytes) -> tuple[bytes, bytes]:
        """Return the part of the body, and the bytes that cannot be read yet or come after the body.

        Reads so many chunks at a time; `behind` says whether there may be more.
        """
        pieces: list[bytes] = []
        at = 0
        left = _CHUNKS_AT_ONCE
        while not self.complete and left:
            if self._left > 2:
                piece = data[at : at + self._left - 2]
                if not piece:
                    break
                pieces.append(piece)
                self._left -= len(piece)
                at += len(piece)
            elif self._left > 0:
                if len(data) - at < 2:
                    if data[at : at + 1] not in {b"", b"\r"}:
                        raise MalformedRequestError("a chunk is longer than its size")
                    break
                if data[at : at + 2] != b"\r\n":
                    raise MalformedRequestError("a chunk is longer than its size")
                at, self._left = at + 2, -1
            else:
                end = self._line_end(data, at)
                if end < 0:
                    break
                self._read_line(data[at:end])
                at, left = end + 2, left - 1
        self.behind = not left and not self.complete
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), data[at:]

    def _line_end(self, data: bytes, at: int) -> int:
        """Return the end of this line, or -1 if it has not arrived; raises if the line is too long."""
        most = _CHUNK_LINE_BYTES if self._left == -1 else self._most - self._trailers
        end = data.find(b"\r\n", at, at + most)
        if end < 0 and len(data) - at >= most:
            what = "a chunk's size and extensions are" if self._left == -1 else "the trailers are"
            raise HeadersTooLargeError(f"{what} longer than {most} bytes")
        return end

    def _read_line(self, line: bytes) -> None:
        if self._left == -2:
            if not line:
                self.complete = True
                return
            self._trailers += len(line) + 2
            if not _FIELD.fullmatch(line):
                raise MalformedRequestError("a trailer is not a header")
            return
        size = _CHUNK.fullmatch(line)
        if size is None:
            raise MalformedRequestError("a chunk has no size")
        self._extensions += len(line) - len(size[1])
        if self._extensions > self._most:
            raise HeadersTooLargeError(f"the chunks' extensions are longer than {self._most} bytes")
        length = int(size[1], 16)
        self._room -= length
        if self._room < 0:
            raise BodyTooLargeError(f"the body is larger than {self._largest} bytes: split it, or raise the limit")
        self._left = length + 2 if length else -2


def body_of(head: Head, most_bytes: int, largest: int) -> Body:
    """Return what reads the body of a request; it is complete already where there is none.

    Parameters
    ----------
    head : Head
    most_bytes, largest : int
        Of a body in chunks; see `Chunked`.
    """
    return Chunked(most_bytes, largest) if head.chunked else Counted(head.length)
