"""The media type of a request's body."""

from starlette.datastructures import Headers


def media_type(headers: Headers) -> str:
    """Return the body's media type in lower case, without parameters; empty if there is none."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
