"""Answers that are collected in a file until complete.

The HTTP status is sent before the body, but an error may occur as late as in a table's last row. So the answer to a
table is written to a file, and sent only when it is complete. Imports `errors`.
"""

import asyncio
import tempfile
from types import TracebackType
from typing import IO, Any, Self, cast

from fastapi import Response
from starlette.types import Receive, Scope, Send

from app.errors import BodyTooLargeError

_IN_MEMORY_BYTES = 1 << 20
_PIECE_BYTES = 256 << 10

ANSWER_RATIO = 4
"""Largest size of an answer, relative to the largest table."""


class Draft:
    """A file for an answer; closed at the end of the block, unless `reply` was called.

    Parameters
    ----------
    most_bytes : int
        Limit; beyond it writing raises BodyTooLargeError. Rows that are small in a table may be large in the answer.
    """

    def __init__(self, most_bytes: int) -> None:
        self.file = _Bounded(most_bytes)
        self._sent = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._sent:
            self.file.close()

    def reply(self, media_type: str, headers: dict[str, str]) -> Response:
        """Return the answer; it closes the file when it has been sent, or the client has disconnected."""
        self._sent = True
        return _FileReply(cast("IO[bytes]", self.file), media_type, headers)


class _Bounded(tempfile.SpooledTemporaryFile[bytes]):
    def __init__(self, most_bytes: int) -> None:
        super().__init__(max_size=_IN_MEMORY_BYTES)
        self._most_bytes = most_bytes

    def write(self, content: Any) -> int:
        """Write bytes; raises if the file would become too large."""
        if self.tell() + len(content) > self._most_bytes:
            raise BodyTooLargeError(
                f"the answer would be larger than {self._most_bytes} bytes: split the table, or leave out columns"
            )
        return super().write(content)


class _FileReply(Response):
    def __init__(self, file: IO[bytes], media_type: str, headers: dict[str, str]) -> None:
        self._file = file
        super().__init__(media_type=media_type, headers={**headers, "Content-Length": str(file.tell())})
        file.seek(0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI
        """Send the file piece by piece."""
        with self._file as file:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
