"""What a client raises when the service refuses, fails or is not there, in this library's words. Imports httpx."""

import httpx


class ServiceError(Exception):
    """The service refused a request, or there is none.

    Attributes
    ----------
    status : int
        HTTP status; zero where there was no answer.
    code : str
        One of the documented error codes; ``unreachable`` where there was no answer.
    message : str
    details : list of dict
        Places, each with ``at`` and ``message``.
    """

    def __init__(self, status: int, code: str, message: str, details: list[dict[str, str]]) -> None:
        places = "".join(f"\n  {detail['at']}: {detail['message']}" for detail in details)
        super().__init__(f"{code} ({status}): {message}{places}" if status else f"{code}: {message}")
        self.status, self.code, self.message, self.details = status, code, message, details


class JobError(ServiceError):
    """A job that has no result: it failed, was aborted, or is not over.

    Attributes
    ----------
    job_id : str
    phase : str
        One of UWS, such as ``ERROR``.
    status : int
        Zero: it is the job's error, not an answer's.
    """

    def __init__(self, job_id: str, phase: str, code: str, message: str, details: list[dict[str, str]]) -> None:
        super().__init__(0, code, message, details)
        self.job_id, self.phase = job_id, phase


def checked(response: httpx.Response) -> httpx.Response:
    """Return a good response; raise ServiceError for any other."""
    if response.is_success:
        return response
    try:
        error = response.json()["error"]
        raise ServiceError(response.status_code, error["code"], error["message"], error["details"])
    except (ValueError, KeyError, TypeError):  # not our service, or a proxy before it
        text = response.text[:200].strip() or response.reason_phrase
        raise ServiceError(response.status_code, "http_error", text, []) from None


def unreachable(error: httpx.HTTPError, address: str) -> ServiceError:
    """Return what a failed connection is, from the user's side."""
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        message = f"no service answers at {address}: is it running there (gaia-redshift serve), and is the port right?"
    elif isinstance(error, httpx.TimeoutException):
        message = f"the service at {address} took longer than the client's timeout: send less, or give a longer timeout"
    else:
        message = f"the connection to {address} broke before the answer was complete: try again"
    return ServiceError(0, "unreachable", message, [])


def not_understood(response: httpx.Response) -> ServiceError:
    """Return the error for an answer that is none of ours."""
    return ServiceError(
        response.status_code,
        "http_error",
        f"{response.url} gave an answer that is no prediction: is it another service, or of another version?",
        [],
    )
