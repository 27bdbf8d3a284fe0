"""Middleware that limits the size of a request's body and its duration. Imports `errors`, `settings` and `memory`.

A body is refused if it is too large, announced or chunked; if it arrives too slowly, measured every few seconds; and if
the bodies of all requests together would fill the memory or the disk. In the last case bodies that are slow for their
size are ended first: five clients that had sent 40 MB each, and then single bytes, kept out every body of 0.5 MB. A
request is ended when its time is up. Each of these raises an error here, which `access_log` writes.
"""

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import (
    BodyTooLargeError,
    OverloadedError,
    RequestTooSlowError,
    UnsupportedMediaTypeError,
    WaitedTooLongError,
)
from app.serving.memory import Return
from app.settings import Settings
from app.wire.media import media_type
from gaia_redshift.errors import RedshiftError
from gaia_redshift.media import ARROW, JSON, NPY

_IN_MEMORY = frozenset({JSON, NPY, ARROW})
"""Paths whose bodies are read into memory; others are spooled to a file."""
_PARAMETERS = frozenset({JSON, "", "application/x-www-form-urlencoded"})
"""Media types of bodies of jobs that are not tables."""


_JOBS = "/jobs"
_SMALL_BYTES = 1 << 20
_FOR_ALL = 0.75
"""Fraction of the space available to large bodies; the rest is kept for small ones."""
_SPEED_SECONDS = 2.0
"""Least seconds over which a body's speed is measured."""
_RESEND_SECONDS = 30.0
"""If there is no room, a body is ended if sending again what it holds, at its speed, would take longer than this."""

_LOOK_SECONDS = 0.1


class _Allowance:
    """Limits for one kind of body, and the number of bytes held now."""

    def __init__(self, largest: int, held_at_once: int) -> None:
        self.largest, self.held_at_once = largest, held_at_once
        self.for_large = max(int(held_at_once * _FOR_ALL), min(largest, held_at_once))
        self.held = 0
        self.arriving: dict[_Body, None] = {}
        self._looked_at = 0.0

    def make_room(self, body: "_Body") -> bool:
        """Return whether all bodies fit, including this one; slow bodies are ended to make room."""
        most = self.held_at_once if body.received <= _SMALL_BYTES else self.for_large
        if self.held <= most:
            return True
        now = body.now()
        if now - self._looked_at < _LOOK_SECONDS:  # checking all bodies for every piece would be too slow
            return False
        self._looked_at = now
        slow = [(seconds, other) for other in self.arriving if (seconds := other.seconds_to_resend()) > _RESEND_SECONDS]
        enough = most - min(self.largest, most // 2)  # for all of this body, not only its next piece
        for _, other in sorted(slow, key=lambda item: item[0], reverse=True):
            if self.held > enough and other is not body:
                other.give_way()
        return self.held <= most


class Limits:
    """Pure ASGI middleware; see the module.

    Parameters
    ----------
    app : ASGI application
    settings : Settings
    seconds_to_drain : callable
        Returns how long the waiting work will take, for Retry-After.
    """

    def __init__(self, app: ASGIApp, settings: Settings, seconds_to_drain: Callable[[], float]) -> None:
        self.app = app
        self.settings = settings
        self.seconds_to_drain = seconds_to_drain
        self.memory = _Allowance(settings.max_json_bytes, settings.max_json_bytes_held)
        self.table = _Allowance(settings.max_body_bytes, settings.max_body_bytes_held)
        self.job = _Allowance(settings.jobs_max_body_bytes, settings.jobs_max_bytes)
        self.memory_return = Return()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a `receive` that counts."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"", "identity"}:
            raise UnsupportedMediaTypeError(
                f"Content-Encoding {encoding[:40]!r} is not supported: send the body without it"
            )
        body = _Body(self, self._allowance(scope.get("path", ""), media_type(headers)), receive)
        announced = headers.get("content-length", "0")
        body.too_large = announced.isdecimal() and int(announced) > body.allowance.largest
        body.complete = announced == "0" and "transfer-encoding" not in headers
        try:
            async with asyncio.timeout(self.settings.request_seconds) as body.deadline:
                await self.app(scope, body.receive, send)
        except TimeoutError as error:
            if not body.deadline.expired():
                raise
            raise body.why_expired() from error
        finally:
            body.release()

    def _allowance(self, path: str, kind: str) -> _Allowance:
        if path == _JOBS and self.settings.jobs_folder is not None and kind not in _PARAMETERS:
            return self.job  # written to the disk as it arrives
        return self.memory if kind in _IN_MEMORY or (path == _JOBS and kind in _PARAMETERS) else self.table


class _Body:
    """The body of one request while it arrives."""

    deadline: asyncio.Timeout

    def __init__(self, limits: Limits, allowance: _Allowance, receive: Receive) -> None:
        self._limits, self._settings = limits, limits.settings
        self.allowance = allowance
        self._receive = receive
        self.too_large = False
        self.received = 0
        self.complete = False
        self._loop = asyncio.get_running_loop()
        start = self._loop.time()
        self._end = start + self._settings.request_seconds
        self._patience, self._judged_bytes = self._settings.slow_seconds, 0
        """Seconds left to send the bytes that are due; the time in which nothing is read does not count."""
        self._waiting = False
        self._measured_at, self._measured_bytes = start, 0
        self._speed: float | None = None
        self._gave_way = False

    async def receive(self) -> Message:
        """Return the next message; raises if a limit is exceeded."""
        if self.too_large:
            raise self._size_error()
        asked_at = self.now()
        if not self.complete and not self._gave_way:
            self.deadline.reschedule(min(self._end, asked_at + self._patience))
        self._waiting = True
        message = await self._receive()
        self._waiting = False
        self._patience -= self.now() - asked_at
        size = len(message.get("body", b""))
        if self._gave_way:
            raise self._no_room()
        self.received += size
        self.allowance.held += size
        if self.received > self.allowance.largest:
            raise self._size_error()
        if size and not self.allowance.make_room(self):
            raise self._no_room()
        if not self.complete:
            self._judge(message)
        return message

    def release(self) -> None:
        """Stop counting the body."""
        self.allowance.arriving.pop(self, None)
        self.allowance.held -= self.received
        self._limits.memory_return.freed(self.received)
        self.received = 0

    def seconds_to_resend(self) -> float:
        """Return the time to send again what is held, at the speed of the last seconds; 0 at first."""
        passed = self.now() - self._measured_at
        speed = (self.received - self._measured_bytes) / passed if passed >= _SPEED_SECONDS else self._speed
        return 0.0 if speed is None else self.received / max(speed, 1e-9)

    def now(self) -> float:
        """Return the event loop's time."""
        return self._loop.time()

    def give_way(self) -> None:
        """End the body, because it is slow and others need the room."""
        self._gave_way = True
        self.release()
        if not self.deadline.expired():
            self.deadline.reschedule(self._loop.time())

    def _no_room(self) -> OverloadedError:
        return OverloadedError(
            "the bodies of other requests fill the space for bodies: try again in a moment",
            self._limits.seconds_to_drain(),
        )

    def _judge(self, message: Message) -> None:
        """Renew the patience with a body that keeps its speed; until it is read on, the limit is the request's."""
        now = self.now()
        if now - self._measured_at >= _SPEED_SECONDS:
            self._speed = (self.received - self._measured_bytes) / (now - self._measured_at)
            self._measured_at, self._measured_bytes = now, self.received
        if not message.get("more_body", False):
            self.complete = True
            self.allowance.arriving.pop(self, None)
        else:
            self.allowance.arriving[self] = None
        if self.received - self._judged_bytes >= self._settings.min_bytes_per_second * self._settings.slow_seconds:
            self._patience, self._judged_bytes = self._settings.slow_seconds, self.received
        self.deadline.reschedule(self._end)

    def why_expired(self) -> RedshiftError:
        """Return the error for an expired time limit, the client's or the service's."""
        if self._gave_way:
            return self._no_room()
        if self._waiting and not self.complete:
            if self.now() >= self._end:
                return RequestTooSlowError(f"the body did not arrive within {self._settings.request_seconds:g} s")
            return RequestTooSlowError(
                f"the body arrives too slowly: less than {self._settings.min_bytes_per_second} bytes/s "
                f"for {self._settings.slow_seconds:g} s"
            )
        return WaitedTooLongError(
            f"not done after {self._settings.request_seconds:g} s: send fewer spectra at a time, or try again later",
            self._limits.seconds_to_drain(),
        )

    def _size_error(self) -> BodyTooLargeError:
        return BodyTooLargeError(
            f"the body is larger than {self.allowance.largest} bytes: split it, or raise the limit"
        )
