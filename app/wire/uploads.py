"""Reading request bodies within their limits, and what a client accepts in reply. Imports `errors` of the project."""

import errno
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import IO

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from app.errors import NotAcceptableError, StorageFullError, UnsupportedMediaTypeError
from app.wire.media import media_type
from gaia_redshift.errors import Detail, InvalidRequestError, MalformedBodyError

_IN_MEMORY_BYTES = 1 << 20


def negotiate(request: Request, offered: Sequence[str]) -> str:
    """Return which of the `offered` media types, best first, the client's ``Accept`` likes most."""
    accept = request.headers.get("accept", "*/*")
    if accept == "*/*":
        return offered[0]
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
    StorageFullError
        If the disk that holds large uploads is full.
    """
    try:
        async with _upload(request, accepted) as file:
            yield file
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE}:
            raise
        raise StorageFullError("there is no room for uploads now: send fewer rows, as JSON, or try again") from error


@asynccontextmanager
async def _upload(request: Request, accepted: Sequence[str]) -> AsyncIterator[IO[bytes]]:
    kind = media_type(request.headers)
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
