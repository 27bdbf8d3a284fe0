"""Calling other hosts: only those on an allow list, at checked IP addresses. Imports `errors` and `settings`.

A user who gives the service a URL could make it call machines that only the service can reach (server-side request
forgery). So a host must be allowed by name, all its IP addresses must be public, the connection is made to the address
that was checked, and the target of a redirect is checked in the same way.
"""

import socket
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore

from app.errors import AddressRefusedError, FetchFailedError
from app.settings import Settings

_MOST_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
_SECONDS = 30.0
"""Longest wait for a host's next bytes, in seconds."""
_AGENT = b"gaia-redshift"


def check_address(url: str, hosts: Sequence[str], setting: str) -> SplitResult:
    """Check a URL without a DNS look-up, and return its parts.

    Parameters
    ----------
    url : str
    hosts : sequence of str
        Allowed hosts; ``*.name`` for all subdomains.
    setting : str
        Name of the setting that lists them.

    Raises
    ------
    AddressRefusedError
    """
    try:
        parts = urlsplit(url)
        name, _ = (parts.hostname or "").lower().rstrip("."), parts.port
    except ValueError:
        raise AddressRefusedError(f"{url[:200]!r} is not a URL") from None
    if parts.scheme not in {"http", "https"} or not name or not url.isascii():
        raise AddressRefusedError(f"{url[:200]!r} is not a URL of http or https")
    if parts.username is not None or parts.password is not None:
        raise AddressRefusedError("the URL has a user name or password: only public tables are fetched")
    if not any(name == one.lower() or (one.startswith("*.") and name.endswith(one[1:].lower())) for one in hosts):
        raise AddressRefusedError(
            f"this service may not call the host {name[:100]!r}: its operator can add it to {setting}"
        )
    return parts


class _CheckedBackend(httpcore.SyncBackend):
    """Looks up a name once, checks its addresses, and connects to one of them."""

    def __init__(self, private: bool) -> None:
        self._private = private

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers."""
        addresses = resolve(host, port, private=self._private)
        for address in addresses[:-1]:
            try:
                return super().connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError:
                continue
        return super().connect_tcp(addresses[-1], port, timeout, local_address, socket_options)


def resolve(host: str, port: int, *, private: bool) -> list[str]:
    """Return the IP addresses of a host; raises AddressRefusedError if one of them is not public.

    Parameters
    ----------
    host : str
    port : int
    private : bool
        Whether private addresses are allowed.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchFailedError(f"the host {host[:100]!r} cannot be found: {error}") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        if not (private or is_public(address)):
            raise AddressRefusedError(
                f"the host {host[:100]!r} has the address {address}, which is not public: this service does not call "
                "machines of its own network"
            )
    return addresses


def is_public(address: str) -> bool:
    """Return whether an IP address is public, also one embedded in an IPv6 address."""
    number = ip_address(address.partition("%")[0])
    inner = [number]
    if number.version == 6:
        inner += [one for one in (number.ipv4_mapped, number.sixtofour) if one is not None]
        inner += list(number.teredo or ())
        if number.packed.startswith(_NAT64):
            inner.append(ip_address(number.packed[12:]))
    return all(one.is_global and not one.is_multicast for one in inner if one is not number or len(inner) == 1)


_NAT64 = bytes.fromhex("0064ff9b0000000000000000")


class Outside:
    """A client for allowed hosts.

    Parameters
    ----------
    settings : Settings
    hosts : sequence of str
        Allowed hosts.
    setting : str
        Name of the setting that lists them.
    """

    def __init__(self, settings: Settings, hosts: Sequence[str], setting: str) -> None:
        self._hosts, self._setting = hosts, setting
        self._pool = httpcore.ConnectionPool(
            ssl_context=ssl.create_default_context(),
            network_backend=_CheckedBackend(settings.jobs_private_hosts),
            keepalive_expiry=0,
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    @contextmanager
    def get(self, url: str) -> Iterator[httpcore.Response]:
        """Fetch a URL, following redirects.

        Raises
        ------
        AddressRefusedError
            If the URL, or the target of a redirect, may not be called.
        FetchFailedError
            If the host does not answer, or not with status 200.
        """
        for _ in range(_MOST_REDIRECTS):
            check_address(url, self._hosts, self._setting)
            with self._call("GET", url, []) as answer:
                if answer.status not in _MOVED:
                    if answer.status != 200:
                        raise FetchFailedError(f"{_shown(url)} answers {answer.status}")
                    yield answer
                    return
                url = urljoin(url, _header(answer, b"location"))
        raise FetchFailedError(f"more than {_MOST_REDIRECTS} redirects, the last to {_shown(url)}")

    def post(self, url: str, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> int:
        """Send a body and return the status of the answer; redirects are not followed. Raises as `get`."""
        check_address(url, self._hosts, self._setting)
        with self._call("POST", url, headers, body) as answer:
            return answer.status

    @contextmanager
    def _call(
        self, method: str, url: str, headers: Sequence[tuple[bytes, bytes]], body: bytes | None = None
    ) -> Iterator[httpcore.Response]:
        timeout: dict[str, Any] = dict.fromkeys(("connect", "read", "write", "pool"), _SECONDS)
        host = urlsplit(url).netloc.encode()
        sent = [(b"Host", host), (b"User-Agent", _AGENT), *headers]
        if body is not None:
            sent.append((b"Content-Length", str(len(body)).encode()))
        try:
            with self._pool.stream(
                method, url.partition("#")[0], headers=sent, content=body, extensions={"timeout": timeout}
            ) as answer:
                yield answer
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, OSError) as error:
            raise FetchFailedError(f"{_shown(url)} cannot be fetched: {error or type(error).__name__}") from error


def _header(answer: httpcore.Response, name: bytes) -> str:
    found = next((value for key, value in answer.headers if key.lower() == name), b"")
    return found.decode("latin-1")


def media_type(answer: httpcore.Response) -> str:
    """Return the media type of an answer, without parameters."""
    return _header(answer, b"content-type").partition(";")[0].strip().lower()[:100]


def _shown(url: str) -> str:
    return url.partition("?")[0][:200]
