"""The errors of the library, the service and the commands, and their codes. Imports nothing of the project.

Over HTTP an error is ``{"error": {"code": "snake_case", "message": "...", "details": [...]}}``; a command prints the
message and its details on standard error and exits with 2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_DETAILS = 20
"""Further details are dropped, so that the reply to a bad request stays small."""


MAX_MESSAGE, MAX_DETAIL = 1000, 300
"""Most characters of a message, and of each part of a detail; the middle of a longer text is left out."""
MAX_BYTES = 8000
"""Most bytes of the error as JSON; details that would exceed it are dropped."""


def _shorten(text: str, most: int) -> str:
    """Return a text without unprintable characters and at most this long; it may quote what a client sent."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} ... {text[-(most // 3 - 5) :]}"
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def _json_bytes(text: str) -> int:
    return len(text.encode()) + text.count('"') + text.count("\\")


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many}"


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the known name it resembles most, or all known names."""
    from difflib import get_close_matches

    names = list(known)
    lowered = {name.lower(): name for name in names}
    near = get_close_matches(wrong.lower(), lowered, 1, 0.6)
    return f"did you mean {lowered[near[0]]}?" if near else f"there are: {', '.join(names) or 'none'}"


@dataclass(frozen=True, slots=True)
class Detail:
    """One place where the input is wrong."""

    at: str
    """Where: ``spectra[17].flux[3]``, a column, a file."""
    message: str


class RedshiftError(Exception):
    """A request or a command cannot be carried out, for a reason that the user can be told.

    Parameters
    ----------
    message : str
        What is wrong and, where it helps, what to do about it.
    details : sequence of Detail, optional
        The places where the input is wrong; at most `MAX_DETAILS` are kept.
    """

    code = "internal_error"
    status = 500
    retry_after: int | None = None
    """Seconds after which a repeated request may succeed; None if it will not."""

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details[:MAX_DETAILS])

    def body(self) -> dict[str, object]:
        """Return the error as a dict for JSON, bounded in size even if it quotes a long input."""
        message = _shorten(self.message, MAX_MESSAGE)
        left = MAX_BYTES - _json_bytes(message) - 80
        details = []
        for detail in self.details:
            at, why = _shorten(detail.at, MAX_DETAIL), _shorten(detail.message, MAX_DETAIL)
            left -= _json_bytes(at) + _json_bytes(why) + 24  # and the names around them
            if left < 0:
                break
            details.append({"at": at, "message": why})
        return {"error": {"code": self.code, "message": message, "details": details}}

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that belong to the error."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class InvalidRequestError(RedshiftError):
    """The request is well-formed, but its content does not fit the schema."""

    code = "invalid_request"
    status = 422


class MalformedBodyError(RedshiftError):
    """The body is not valid JSON, CSV or form data, as declared."""

    code = "malformed_body"
    status = 400


class InvalidTableError(RedshiftError):
    """A table has no columns of spectra, or no rows."""

    code = "invalid_table"
    status = 422


class UnknownModelError(RedshiftError):
    """There is no model of this name."""

    code = "unknown_model"
    status = 404


class UnsupportedByModelError(RedshiftError):
    """The chosen model does not support the request, such as a density from a point model."""

    code = "unsupported_by_model"
    status = 422


class InvalidBundleError(RedshiftError):
    """A model bundle is incomplete, was altered, or does not fit this version."""

    code = "invalid_bundle"
    status = 409


class InvalidInputError(RedshiftError):
    """A command's file or option cannot be used."""

    code = "invalid_input"
    status = 422


class MissingDependencyError(RedshiftError):
    """A command needs an optional dependency that is not installed."""

    code = "missing_dependency"
