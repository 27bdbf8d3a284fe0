"""One error shape for the service and the commands, and every code it can carry. Imports nothing of the project.

Over HTTP an error is ``{"error": {"code": "snake_case", "message": "...", "details": [...]}}``; a command prints the
message and its details on standard error and exits with 2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

MAX_DETAILS = 20
"""Details beyond this many are dropped, so that a reply to rubbish stays small."""


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

    def __init__(self, message: str, details: Sequence[Detail] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details[:MAX_DETAILS])


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


class BodyTooLargeError(RedshiftError):
    """The body exceeds the configured size."""

    code = "body_too_large"
    status = 413


class UnsupportedMediaTypeError(RedshiftError):
    """The body's or the reply's media type is not one the endpoint knows."""

    code = "unsupported_media_type"
    status = 415


class NotAcceptableError(RedshiftError):
    """No media type in ``Accept`` can be produced."""

    code = "not_acceptable"
    status = 406


class UnknownModelError(RedshiftError):
    """No bundle of that name is loaded."""

    code = "unknown_model"
    status = 404


class UnsupportedByModelError(RedshiftError):
    """The chosen model cannot give what was asked for, such as a density from a point model."""

    code = "unsupported_by_model"
    status = 422


class NotReadyError(RedshiftError):
    """The service is starting up or draining."""

    code = "not_ready"
    status = 503


class OverloadedError(RedshiftError):
    """Too many rows wait for the network; try again in a moment."""

    code = "overloaded"
    status = 429


class InvalidBundleError(RedshiftError):
    """A model bundle is incomplete, was altered, or does not fit this version."""

    code = "invalid_bundle"


class InvalidInputError(RedshiftError):
    """A command's file or option cannot be used."""

    code = "invalid_input"
    status = 422


class MissingDependencyError(RedshiftError):
    """A command needs an optional part that is not installed."""

    code = "missing_dependency"
