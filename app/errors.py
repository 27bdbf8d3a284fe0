"""Errors of the service: HTTP, keys, limits, load and jobs. Imports the library's `errors`."""

import errno
import math
from collections.abc import Mapping
from typing import ClassVar

from gaia_redshift.errors import RedshiftError

LONGEST_WAIT = 600
"""Largest Retry-After, in seconds."""


class HttpError(RedshiftError):
    """An error of the framework: ``not_found``, ``method_not_allowed``, or ``http_error`` for any other status."""

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
    """The body's media type is not one that the endpoint reads."""

    code = "unsupported_media_type"
    status = 415


class NotAcceptableError(RedshiftError):
    """No media type in ``Accept`` can be produced."""

    code = "not_acceptable"
    status = 406


class UnauthorizedError(RedshiftError):
    """The service needs an API key, and the request has none, or an unknown one."""

    code = "unauthorized"
    status = 401

    def headers(self) -> dict[str, str]:
        """Return the authentication scheme, as RFC 9110 requires."""
        return {"WWW-Authenticate": "Bearer"}


class ForbiddenError(RedshiftError):
    """The key, or the web page that sent the request, is not allowed to do this."""

    code = "forbidden"
    status = 403


class WrongHostError(RedshiftError):
    """The name in ``Host`` is not one of the service's."""

    code = "wrong_host"
    status = 421


class RequestTooSlowError(RedshiftError):
    """The client sends its request too slowly, or has stopped sending."""

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
    """The service is starting up or shutting down."""

    code = "not_ready"
    status = 503
    retry_after = 1


NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE, errno.ENFILE})
"""What an OSError says where the disk is full, a file may not grow, or no more may be open."""


class StorageFullError(RedshiftError):
    """The disk for uploads is full; requests that need no disk are still answered."""

    code = "storage_full"
    status = 503
    retry_after = 30


class OverloadedError(RedshiftError):
    """Too many requests are waiting; try again after Retry-After seconds.

    Parameters
    ----------
    message : str
    retry_after : float
        Seconds until the waiting work will be done; rounded up, between 1 and `LONGEST_WAIT`.
    """

    code = "overloaded"
    status = 429

    def __init__(self, message: str, retry_after: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after = min(LONGEST_WAIT, max(1, math.ceil(retry_after)))


class WaitedTooLongError(OverloadedError):
    """The request was accepted, but could not be done within the time limit of a request."""

    code = "waited_too_long"


class RateLimitedError(OverloadedError):
    """An API key sent more requests than allowed."""

    code = "rate_limited"


class TooManyConnectionsError(OverloadedError):
    """The limit of open connections is reached."""

    code = "too_many_connections"


class UnknownJobError(RedshiftError):
    """There is no job with this identifier for this key, or it was destroyed."""

    code = "unknown_job"
    status = 404


class WrongPhaseError(RedshiftError):
    """The request is not possible in the job's phase, such as fetching the result of a failed job."""

    code = "wrong_phase"
    status = 409


class QuotaExceededError(RedshiftError):
    """An owner has too many jobs, or the files of all jobs together take too many bytes."""

    code = "quota_exceeded"
    status = 429
    retry_after = 60


class AddressRefusedError(RedshiftError):
    """The service may not call the given address, or read the given file."""

    code = "address_refused"
    status = 403


class FetchFailedError(RedshiftError):
    """The table could not be fetched from its address."""

    code = "fetch_failed"
    status = 502


class DatabaseUnavailableError(RedshiftError):
    """The jobs' database is locked, unreachable or out of disk; requests that do not need it are still answered."""

    code = "database_unavailable"
    status = 503
    retry_after = 5


class JobFailedError(RedshiftError):
    """A job could not be carried out: it took too long, its worker ended repeatedly, or its model is gone."""

    code = "job_failed"
