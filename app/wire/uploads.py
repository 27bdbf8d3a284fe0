"""Reading request bodies, and content negotiation. Imports `errors` of the project."""

import asyncio
import errno
import logging
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import IO, TypeVar

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import NO_ROOM, NotAcceptableError, StorageFullError, UnsupportedMediaTypeError
from app.wire.media import media_type
from gaia_redshift.errors import Detail, InvalidRequestError, MalformedBodyError, RedshiftError

_log = logging.getLogger("gaia_redshift")
_Result = TypeVar("_Result")

_IN_MEMORY_BYTES = 1 << 20
_SMALL_PIECE = 4096


def negotiate(request: Request, offered: Sequence[str]) -> str:
    """Return the one of the `offered` media types, best first, that the client's ``Accept`` prefers."""
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


async def whole_body(request: Request) -> bytes:
    """Return the body of a request, using no more memory than its size.

    Starlette keeps a list of its pieces, so that a body arriving in pieces of two bytes would take twenty times its
    size.
    """
    pieces: list[bytes] = []
    small = bytearray()
    async for piece in request.stream():
        if len(piece) < _SMALL_PIECE:
            small += piece
            continue
        if small:
            pieces.append(bytes(small))
            small.clear()
        pieces.append(piece)
    if small:
        pieces.append(bytes(small))
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_part(work: Callable[[], _Result]) -> _Result:
    """Call a function that reads, or writes back, a part of an uploaded table; unexpected exceptions count as damage.

    Raises
    ------
    MalformedBodyError
        For any exception except the project's errors and OSError; it is logged.
    """
    try:
        return work()
    except RedshiftError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        _log.exception("unexpected error of a table reader")
        raise MalformedBodyError("the table cannot be read: it is damaged, or has unsupported content") from error


@asynccontextmanager
async def uploaded_table(request: Request, accepted: Sequence[str]) -> AsyncIterator[IO[bytes]]:
    """Yield the uploaded table as a file: the part ``file`` of a multipart form, or the raw body.

    A form is stored in ``request.state.form``, for the options in it.

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
        _refuse_without_room(request.headers.get("content-length", ""))
        async with _upload(request, accepted) as file:
            yield file
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise StorageFullError(
            "the disk has no room for uploads: send fewer rows, as JSON, or try again later"
        ) from error


def _refuse_without_room(announced: str) -> None:
    """Raise OSError if the disk has less free space than the announced size of an upload."""
    size = int(announced) if announced.isdecimal() else 0
    if size > _IN_MEMORY_BYTES and size > shutil.disk_usage(tempfile.gettempdir()).free:
        raise OSError(errno.ENOSPC, "less free space than the size of the upload")


@asynccontextmanager
async def _upload(request: Request, accepted: Sequence[str]) -> AsyncIterator[IO[bytes]]:
    kind = media_type(request.headers)
    if kind == "multipart/form-data":
        form = request.state.form = await read_multipart(request)
        try:
            upload = form.get("file")
            if not isinstance(upload, UploadFile):
                raise InvalidRequestError("the form has no file", [Detail("file", "missing")])
            yield upload.file
        finally:
            await form.close()
    elif kind in accepted:
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as file:
            size = 0
            async for piece in request.stream():
                size += len(piece)
                if size > _IN_MEMORY_BYTES:  # a disk may be slow
                    await asyncio.to_thread(file.write, piece)
                else:
                    file.write(piece)
            file.seek(0)
            yield file
    else:
        found = f"the Content-Type {kind!r} is not read" if kind else "there is no Content-Type"
        raise UnsupportedMediaTypeError(
            f"{found}; send multipart/form-data with a part 'file', or the table itself as {' or '.join(accepted)}"
        )


async def read_multipart(request: Request) -> FormData:
    """Read a multipart form; see `parse_multipart`."""
    return await parse_multipart(MultiPartParser(request.headers, request.stream(), max_files=1, max_fields=8))


async def parse_multipart(parser: MultiPartParser) -> FormData:
    """Read a multipart form as UTF-8, whatever charset it declares, since some codecs are extremely slow.

    Starlette would decode each field in the event loop with any Python codec that the client names: 270 kB took 16 s
    with ``punycode``, and ``undefined`` raises an unexpected exception.

    Raises
    ------
    MalformedBodyError
        If the form is broken, or declares another charset.
    """
    _, parameters = parse_options_header(parser.headers["content-type"])
    if parameters.get(b"charset", b"utf-8").lower() not in _CHARSETS:
        raise MalformedBodyError("the multipart form is broken: its charset must be utf-8")
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise MalformedBodyError(f"the multipart form is broken: {error.message}") from error


_CHARSETS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
