"""One error shape for the service and the commands, and every code it can carry. Imports nothing of the project.

Over HTTP an error is ``{"error": {"code": "snake_case", "message": "...", "details": [...]}}``; a command prints the
message and its details on standard error and exits with 2.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_DETAILS = 20
"""Details beyond this many are dropped, so that a reply to rubbish stays small."""


MAX_MESSAGE, MAX_DETAIL = 1000, 300
"""Characters of a message, and of each part of a detail; of a longer one the middle is left out."""
MAX_BYTES = 8000
"""Of the error as JSON; details that would exceed it are dropped, too."""


def _shorten(text: str, most: int) -> str:
    """Return a text, which may hold what a stranger sent, without what cannot be printed and at most so long."""
    if len(text) > most:
        text = f"{text[: most * 2 // 3]} ... {text[-(most // 3 - 5) :]}"
    return text if text.isprintable() else "".join(mark if mark.isprintable() else "\ufffd" for mark in text)


def _json_bytes(text: str) -> int:
    return len(text.encode()) + text.count('"') + text.count("\\")


def counted(number: int, one: str, many: str) -> str:
    """Return a number with its noun: ``1 row``, ``2 rows``."""
    return f"{number} {one if number == 1 else many}"


def suggestion(wrong: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about a name that nobody knows: the known one it resembles most, or all of them."""
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
    """What a user is told when a request or a command cannot be carried out.

    Parameters
    ----------
    message : str
        A sentence that says what is wrong and, where it helps, how to mend it.
    details : sequence of Detail, optional
        Exact places; at most `MAX_DETAILS` are kept.
    """

    code = "internal_error"
    status = 500
    retry_after: int | None = None
    """Seconds after which trying again is worth it, where it is."""

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details[:MAX_DETAILS])

    def body(self) -> dict[str, object]:
        """Return the error in the one shape, small whatever it repeats of what was sent."""
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
    """The request is well-formed but its content breaks the schema."""

    code = "invalid_request"
    status = 422


class MalformedBodyError(RedshiftError):
    """The body is not the JSON, CSV or form it says it is."""

    code = "malformed_body"
    status = 400


class InvalidTableError(RedshiftError):
    """A table lacks the columns that make a spectrum, or has no rows."""

    code = "invalid_table"
    status = 422


class UnknownModelError(RedshiftError):
    """No bundle of that name is loaded."""

    code = "unknown_model"
    status = 404


class UnsupportedByModelError(RedshiftError):
    """The chosen model cannot give what was asked for, such as a density from a point model."""

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
    """A command needs an optional part that is not installed."""

    code = "missing_dependency"
