"""One error shape for the service and the commands, and every code it can carry. Imports nothing of the project.

Over HTTP an error is ``{"error": {"code": "snake_case", "message": "...", "details": [...]}}``; a command prints the
message and its details on standard error and exits with 2.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

MAX_DETAILS = 20
"""Details beyond this many are dropped, so that a reply to rubbish stays small."""


LONGEST_WAIT = 600
"""Retry-After never asks for more seconds than this."""


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
        """Return the error in the one shape."""
        details = [{"at": detail.at, "message": detail.message} for detail in self.details]
        return {"error": {"code": self.code, "message": self.message, "details": details}}

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers that belong to the error."""
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


class HttpError(RedshiftError):
    """What the framework refuses: ``not_found``, ``method_not_allowed``, or ``http_error`` with any other status."""

    code = "http_error"
    _CODES: ClassVar = {404: "not_found", 405: "method_not_allowed"}

    def __init__(self, message: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = self._CODES.get(status, self.code)
        self._headers = dict(headers or {})

    def headers(self) -> dict[str, str]:
        """Return the framework's headers, such as ``Allow``."""
        return self._headers


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


class UnauthorizedError(RedshiftError):
    """The service asks for an API key, and the request has none that it knows."""

    code = "unauthorized"
    status = 401

    def headers(self) -> dict[str, str]:
        """Name the scheme, as RFC 9110 asks."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(RedshiftError):
    """The key is known but may not do this."""

    code = "forbidden"
    status = 403


class RequestTooSlowError(RedshiftError):
    """The client sends its request too slowly, or stopped sending."""

    code = "request_too_slow"
    status = 408


class HeadersTooLargeError(RedshiftError):
    """The request line and the headers together are too long."""

    code = "headers_too_large"
    status = 431


class MalformedRequestError(RedshiftError):
    """The bytes received are not an HTTP request."""

    code = "malformed_request"
    status = 400


class NotReadyError(RedshiftError):
    """The service is starting up or draining."""

    code = "not_ready"
    status = 503
    retry_after = 1


class StorageFullError(RedshiftError):
    """The disk that holds uploads while they are read is full; requests that need no disk are still answered."""

    code = "storage_full"
    status = 503
    retry_after = 30


class OverloadedError(RedshiftError):
    """Too much work waits already; try again after Retry-After seconds.

    Parameters
    ----------
    message : str
    retry_after : float
        Seconds until what waits now will be done; rounded up, within 1 to `LONGEST_WAIT`.
    """

    code = "overloaded"
    status = 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = min(LONGEST_WAIT, max(1, math.ceil(retry_after)))


class WaitedTooLongError(OverloadedError):
    """The request was accepted but could not be done within the time one request may take."""

    code = "waited_too_long"


class RateLimitedError(OverloadedError):
    """An API key sent more requests than it may."""

    code = "rate_limited"


class TooManyConnectionsError(OverloadedError):
    """As many connections are open as the service accepts."""

    code = "too_many_connections"


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
