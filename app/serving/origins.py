"""Checks of the host name and of the web page that sent a request. Imports `errors` and `settings`.

Any web page can send a form to a service on the user's machine (cross-site request forgery), and can point its own
host name at it (DNS rebinding), which makes the service part of the page's origin. The first is detected by the headers
that browsers send, as in Go's `http.CrossOriginProtection`; the second by the name in ``Host``.
"""

import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address

from starlette.types import Scope

from app.errors import ForbiddenError, WrongHostError
from app.settings import Settings

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Safe methods; without CORS, pages of other origins cannot read the answers."""
_HEALTH = "/health/"
"""Paths exempt from the check, since orchestrators and load balancers call them by IP address; they reveal nothing."""
_PORT = re.compile(r":[0-9]*$")
_REMEMBERED = 256

READABLE = ("X-Request-ID", "X-Model", "X-Prior", "X-Recognised", "X-Bin-Edges", "Retry-After", "Location")
"""Headers of answers that pages of allowed origins can read."""


class Origins:
    """Checks a request's ``Host``, ``Origin`` and ``Sec-Fetch-Site``."""

    def __init__(self, settings: Settings) -> None:
        self._allowed = None if settings.allowed_hosts is None else [name.lower() for name in settings.allowed_hosts]
        self._local = _is_local(settings.host)
        self._cors = frozenset(origin.encode() for origin in settings.cors_origins)
        self._good: set[bytes] = set()

    def check(self, scope: Scope) -> None:
        """Raise WrongHostError or ForbiddenError if the request is not allowed."""
        host = origin = site = b""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value
            elif name == b"origin":
                origin = value
            elif name == b"sec-fetch-site":
                site = value
        if host not in self._good and not scope["path"].startswith(_HEALTH):
            self._check_host(host)
        if (site or origin) and scope["method"] not in _SAFE:
            self._check_origin(host, origin, site)

    def _check_host(self, host: bytes) -> None:
        name = _PORT.sub("", host.decode("latin-1").lower())
        if not self._may_be(name):
            raise WrongHostError(
                f"{name[:80]!r} is not a name of this service: its operator can add it to GAIA_REDSHIFT_ALLOWED_HOSTS"
            )
        if len(self._good) < _REMEMBERED:
            self._good.add(host)

    def _may_be(self, name: str) -> bool:
        if self._allowed is None:
            # DNS rebinding needs a name with a dot: other names and IP addresses are safe.
            return not self._local or "." not in name or name.endswith(".localhost") or _is_address(name)
        return any(
            allowed in {"*", name} or (allowed.startswith("*.") and name.endswith(allowed[1:]))
            for allowed in self._allowed
        )

    def _check_origin(self, host: bytes, origin: bytes, site: bytes) -> None:
        own = site in {b"same-origin", b"none"} if site else origin.partition(b"://")[2] == host
        if not own and origin not in self._cors and b"*" not in self._cors:
            raise ForbiddenError(
                "web pages of other origins may not call this service: its operator can add them to "
                "GAIA_REDSHIFT_CORS_ORIGINS"
            )


def cors_headers(headers: Iterable[tuple[bytes, bytes]], allowed: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of an allowed origin read an answer which the CORS middleware does not see.

    Parameters
    ----------
    headers : pairs
        Of the request.
    allowed : sequence of str
        The setting `cors_origins`.
    """
    origin = next((value for name, value in headers if name == b"origin"), b"")
    if not origin or (origin.decode("latin-1") not in allowed and "*" not in allowed):
        return []
    return [
        (b"access-control-allow-origin", b"*" if "*" in allowed else origin),
        (b"access-control-expose-headers", ", ".join(READABLE).encode()),
        (b"vary", b"Origin"),
    ]


def _is_local(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
