"""Small bodies with parameters: a form, or a JSON object. Imports `errors` and its neighbours."""

from typing import Any
from urllib.parse import parse_qsl

import orjson
from fastapi import Request

from app.errors import BodyTooLargeError, UnsupportedMediaTypeError
from app.wire.media import media_type
from app.wire.uploads import read_multipart
from gaia_redshift.errors import InvalidRequestError, MalformedBodyError
from gaia_redshift.media import JSON

FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
_MOST_FIELDS = 100_000


async def read_fields(request: Request, most_bytes: int) -> list[tuple[str, Any]]:
    """Return the parameters in a body: a form, a JSON object, or nothing.

    Raises
    ------
    BodyTooLargeError
        If it is larger than `most_bytes`.
    MalformedBodyError, InvalidRequestError, UnsupportedMediaTypeError
        If it is anything else.
    """
    kind = media_type(request.headers)
    if kind == MULTIPART:
        form = await read_multipart(request)
        await form.close()
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most_bytes:
            raise BodyTooLargeError(f"the parameters take more than {most_bytes} bytes")
    if not body:
        return []
    if kind == JSON:
        return _of_json(bytes(body))
    if kind != FORM:
        raise UnsupportedMediaTypeError(f"the Content-Type {kind!r} is not read; send parameters as {FORM} or {JSON}")
    try:
        return list(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise MalformedBodyError("the form is not UTF-8, or has too many fields") from None


def _of_json(body: bytes) -> list[tuple[str, Any]]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBodyError(f"the body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidRequestError("the body must be a JSON object of parameters")
    return list(found.items())
