"""Errors that only the service knows: what HTTP, keys, limits and load refuse. Imports the library's `errors`."""

import math
from collections.abc import Mapping
from typing import ClassVar

from gaia_redshift.errors import RedshiftError

LONGEST_WAIT = 600
"""Retry-After never asks for more seconds than this."""


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


class UnauthorizedError(RedshiftError):
    """The service asks for an API key, and the request has none that it knows."""

    code = "unauthorized"
    status = 401

    def headers(self) -> dict[str, str]:
        """Name the scheme, as RFC 9110 asks."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(RedshiftError):
    """The key is known but may not do this, or the web page that asks may not."""

    code = "forbidden"
    status = 403


class WrongHostError(RedshiftError):
    """The service does not go by the name in ``Host``."""

    code = "wrong_host"
    status = 421


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


class UnknownJobError(RedshiftError):
    """There is no job of this identifier: none of this key's, or it was destroyed."""

    code = "unknown_job"
    status = 404


class WrongPhaseError(RedshiftError):
    """What is asked of a job does not belong to its phase, such as the result of one that failed."""

    code = "wrong_phase"
    status = 409


class QuotaExceededError(RedshiftError):
    """An owner has as many jobs, or all jobs together as many bytes, as the service keeps."""

    code = "quota_exceeded"
    status = 429
    retry_after = 60


class AddressRefusedError(RedshiftError):
    """An address that the service was asked to call, or a file that it was asked to read, is none that it may."""

    code = "address_refused"
    status = 403


class FetchFailedError(RedshiftError):
    """The table at an address could not be had."""

    code = "fetch_failed"
    status = 502


class DatabaseUnavailableError(RedshiftError):
    """The database of the jobs is locked, gone, or out of disk; requests that need none are still answered."""

    code = "database_unavailable"
    status = 503
    retry_after = 5


class JobFailedError(RedshiftError):
    """The service could not carry out a job: it took too long, its worker ended time and again, its model is gone."""

    code = "job_failed"
