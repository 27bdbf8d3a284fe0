"""What a request says of its body."""

from starlette.datastructures import Headers


def media_type(headers: Headers) -> str:
    """Return the body's media type without parameters, lower case; empty if none is given."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()
