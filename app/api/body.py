"""Reading request bodies within their limits, and what a client accepts in reply. Imports `errors` of the project."""

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO

from fastapi import Request
from starlette.datastructures import Headers, UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BodyTooLargeError,
    Detail,
    InvalidRequestError,
    MalformedBodyError,
    NotAcceptableError,
    UnsupportedMediaTypeError,
)

_IN_MEMORY_BYTES = 8 << 20


class BodyLimit:
    """Middleware that stops a body above `max_bytes`, announced or chunked, with the one error shape."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self.app = app
        self.max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counting `receive`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        too_large = announced.isdecimal() and int(announced) > self.max_bytes
        received = 0

        async def counted() -> Message:
            nonlocal received
            if too_large:
                raise self._error()
            message = await receive()
            received += len(message.get("body", b""))
            if received > self.max_bytes:
                raise self._error()
            return message

        await self.app(scope, counted, send)

    def _error(self) -> BodyTooLargeError:
        return BodyTooLargeError(f"the body is larger than {self.max_bytes} bytes: split it, or raise the limit")


def media_type(request: Request) -> str:
    """Return the body's media type without parameters, lower case; empty if none is given."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def negotiate(request: Request, offered: Sequence[str]) -> str:
    """Return which of the `offered` media types, best first, the client's ``Accept`` likes most."""
    accept = request.headers.get("accept", "*/*")
    quality = {}
    for item in accept.split(","):
        pattern, *parameters = (part.strip().lower() for part in item.split(";"))
        weight = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            quality[pattern] = float(weight)
        except ValueError:
            quality[pattern] = 0.0

    def liking(offer: str) -> float:
        kind = offer.partition("/")[0]
        patterns = (offer, f"{kind}/*", "*/*")
        return next((quality[pattern] for pattern in patterns if pattern in quality), 0.0)

    best = max(offered, key=liking)
    if liking(best) <= 0:
        raise NotAcceptableError(f"this endpoint answers {' or '.join(offered)}, not {accept[:80]!r}")
    return best


@asynccontextmanager
async def uploaded_table(request: Request, accepted: Sequence[str]) -> AsyncIterator[IO[bytes]]:
    """Yield the uploaded table as a file: the part ``file`` of a multipart form, or the raw body.

    Raises
    ------
    UnsupportedMediaTypeError
        If the body is neither multipart nor one of the `accepted` media types.
    MalformedBodyError, InvalidRequestError
        If the form is broken or has no ``file``.
    """
    kind = media_type(request)
    if kind == "multipart/form-data":
        try:
            form = await request.form(max_files=1, max_fields=8)
        except HTTPException as error:
            raise MalformedBodyError(f"the multipart form is broken: {error.detail}") from error
        try:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise InvalidRequestError("the form has no file", [Detail("file", "missing")])
            yield upload.file
        finally:
            await form.close()
    elif kind in accepted:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            async for piece in request.stream():
                file.write(piece)
            file.seek(0)
            yield file
    else:
        raise UnsupportedMediaTypeError(
            f"the Content-Type is {kind or 'missing'!r}; send multipart/form-data with a part 'file', "
            f"or the table itself as {' or '.join(accepted)}"
        )
