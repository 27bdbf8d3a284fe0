"""Requests to the archive, with pauses, retries and time limits. Imports httpx and `errors` of the project."""

import time
from collections.abc import Callable, Mapping

import httpx

from gaia_redshift.errors import RedshiftError

CONNECT_SECONDS, READ_SECONDS = 10.0, 300.0
MOST_BYTES = 2 << 30
"""Longest answer accepted: 5,000 sources with their correlations take about 70 MB."""
ATTEMPTS = 5
_LONGEST_WAIT = 60.0
_AGAIN = frozenset({429, 500, 502, 503, 504})


class ArchiveError(RedshiftError):
    """The archive cannot be reached, or refuses the request."""

    code = "archive_failed"
    status = 502


class Web:
    """An HTTP client that pauses between requests and retries those that fail.

    Parameters
    ----------
    pause : float
        Seconds between two requests.
    backoff : float
        Seconds before the second attempt at a failed request; doubled before each further one.
    read_seconds : float
        Longest wait for the next bytes of an answer, in seconds.
    wait : callable
        Sleeps for the given number of seconds.
    """

    def __init__(
        self,
        *,
        pause: float = 0.5,
        backoff: float = 2.0,
        read_seconds: float = READ_SECONDS,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._pause, self._backoff, self._wait = pause, backoff, wait
        self._begun = False
        timeout = httpx.Timeout(read_seconds, connect=CONNECT_SECONDS)
        self._client = httpx.Client(timeout=timeout, follow_redirects=True, headers={"User-Agent": "gaia-redshift"})

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, method: str, url: str, form: Mapping[str, str] | None = None) -> httpx.Response:
        """Return the answer to a request, read to its end.

        Raises
        ------
        ArchiveError
            If the archive still fails at the last attempt, refuses the request, or its answer is too long.
        """
        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                self._wait(min(_LONGEST_WAIT, self._backoff * 2 ** (attempt - 1)))
            elif self._begun:
                self._wait(self._pause)
            self._begun = True
            try:
                response = self._once(method, url, form)
            except httpx.TransportError as error:
                why = f"{type(error).__name__}: {error}"
                continue
            if response.status_code not in _AGAIN:
                return _checked(response)
            why = f"HTTP {response.status_code}"
        raise ArchiveError(f"Gaia's archive at {url} failed {ATTEMPTS} times, the last time with {why}: try later")

    def _once(self, method: str, url: str, form: Mapping[str, str] | None) -> httpx.Response:
        with self._client.stream(method, url, data=form) as response:
            pieces, size = [], 0
            for piece in response.iter_bytes(1 << 20):
                size += len(piece)
                if size > MOST_BYTES:
                    raise ArchiveError(f"the archive's answer is longer than {MOST_BYTES} bytes: ask for fewer sources")
                pieces.append(piece)
            return httpx.Response(
                response.status_code,
                content=b"".join(pieces),
                request=response.request,
                headers={key: text for key, text in response.headers.items() if key in {"content-type", "location"}},
            )


def _checked(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    text = " ".join(response.text.split())[:300]
    raise ArchiveError(f"Gaia's archive refused the request (HTTP {response.status_code}): {text}")
