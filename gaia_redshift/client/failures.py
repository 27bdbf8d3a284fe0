"""The client's exceptions, for when the service refuses, fails or cannot be reached. Imports httpx."""

import httpx


class ServiceError(Exception):
    """The service refused a request, or cannot be reached.

    Attributes
    ----------
    status : int
        HTTP status; zero where there was no answer.
    code : str
        One of the documented error codes; ``unreachable`` where there was no answer.
    message : str
    details : list of dict
        Where the input is wrong, each with ``at`` and ``message``.
    """

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]]) -> None:
        places = "".join(f"\n  {detail['at']}: {detail['message']}" for detail in details)
        super().__init__(f"{code} ({status}): {message}{places}" if status else f"{code}: {message}")
        self.status, self.code, self.message, self.details = status, code, message, details


class JobError(ServiceError):
    """A job without a result: it failed, was aborted, or is not over.

    Attributes
    ----------
    job_id : str
    phase : str
        A UWS phase, such as ``ERROR``.
    status : int
        Zero: the error is the job's, not that of an HTTP reply.
    """

    def __init__(self, job_id: str, phase: str, code: str, message: str, details: list[dict[str, str]]) -> None:
        super().__init__(0, code, message, details)
        self.job_id, self.phase = job_id, phase


def checked(response: httpx.Response) -> httpx.Response:
    """Return a successful response; raise ServiceError for any other."""
    if response.is_success:
        return response
    try:
        error = response.json()["error"]
        raise ServiceError(response.status_code, error["code"], error["message"], error["details"])
    except (ValueError, KeyError, TypeError):  # not our service, or a proxy before it
        text = response.text[:200].strip() or response.reason_phrase
        raise ServiceError(response.status_code, "http_error", text, []) from None


def unreachable(error: httpx.HTTPError, address: str) -> ServiceError:
    """Return the error for a failed connection."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        message = f"no service answers at {address}: is it running there (gaia-redshift serve), and is the port right?"
    elif isinstance(error, httpx.TimeoutException):
        message = f"the service at {address} took longer than the client's timeout: send less, or give a longer timeout"
    else:
        message = f"the connection to {address} broke before the answer was complete: try again"
    return ServiceError(0, "unreachable", message, [])


def not_understood(response: httpx.Response) -> ServiceError:
    """Return the error for an answer that is not from this service."""
    return ServiceError(
        response.status_code,
        "http_error",
        f"the answer of {response.url} is not a prediction: is it another service, or another version?",
        [],
    )
