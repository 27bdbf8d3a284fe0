"""The outermost middleware: request ids, one log line and the metrics of each request, and errors in the one shape.

Pure ASGI. Exceptions of the inner layers become a small JSON reply here; tracebacks go to the log only.
"""

import asyncio
import itertools
import logging
import re
import secrets
import time
from typing import Any

import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import NO_ROOM, StorageFullError
from app.serving import metrics
from app.serving.logs import log_request
from app.serving.security import CONTENT_POLICY, HEADERS, NOTHING
from app.wire.votable import VOTABLE, wants_votable, write_error
from gaia_redshift.errors import RedshiftError
from gaia_redshift.media import JSON

CLIENT_LEFT = 499
"""Status in the log and the metrics for a request whose client disconnected before the answer (as in nginx)."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_QUIET = ("/health/live", "/health/ready", "/metrics")
_SHOWN_PATH = 200
_FROM_STATE = ("key_name", "error_code", "spectra")

_WATCHED = "gaia_redshift.watched"

_process, _count = secrets.token_hex(4), itertools.count()


def new_id() -> str:
    """Return a unique request identifier, by counting; random bytes from the system took 10 us each time."""
    return f"{_process}{next(_count) & 0xFFFFFFFF:08x}"


_log: Any = structlog.get_logger()


class AccessLogMiddleware:
    """Pure ASGI middleware; see the module."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Log and count one request, from its headers to the end of its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = _Watched(scope, send)
        scope.setdefault("state", {})
        scope["task"] = asyncio.current_task()  # cancelled by the server when the client disconnects
        metrics.IN_FLIGHT.inc()
        scope[_WATCHED] = request
        try:
            await request.work(self.app, receive, request.send)
        finally:
            metrics.IN_FLIGHT.dec()
            request.done()
            del scope[_WATCHED]


class ErrorReplyMiddleware:
    """Pure ASGI middleware that answers errors inside the layers that add headers, such as CORS."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and turn exceptions into replies."""
        if _WATCHED in scope:
            await scope[_WATCHED].work(self.app, receive, send)
        else:
            await self.app(scope, receive, send)


class _Watched:
    """One request while it is being answered."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self._scope, self._send = scope, send
        self._started = time.perf_counter()
        self.id = ""
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                self.id = value.decode() if _REQUEST_ID.fullmatch(value) else ""
                break
        self.id = self.id or new_id()
        self.status = 0

    async def work(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        """Let the inner layers answer; turn their exceptions into a reply."""
        try:
            await app(self._scope, receive, send)
        except RedshiftError as error:
            await self._fail(error, send)
        except asyncio.CancelledError:
            if not self._scope.get("client_left"):
                raise
            self.status = CLIENT_LEFT
        except Exception as error:
            logging.getLogger("gaia_redshift").exception("unexpected error", extra={"request_id": self.id})
            if isinstance(error, OSError) and error.errno in NO_ROOM:  # wherever a file was wanted, of code even
                await self._fail(StorageFullError("no file can be opened or written now: try again"), send)
            else:
                await self._fail(RedshiftError("an unexpected error: see the service's log"), send)

    async def send(self, message: Message) -> None:
        """Send a message, with the headers common to all answers."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", ()), *HEADERS, (b"x-request-id", self.id.encode())]
            for name, _ in headers:
                if name == CONTENT_POLICY:
                    break
            else:
                headers.append((CONTENT_POLICY, NOTHING))
            message["headers"] = headers
        await self._send(message)

    async def _fail(self, error: RedshiftError, send: Send) -> None:
        """Answer with an error; if an answer has already begun, break it off, so that it is not taken as complete."""
        if self.status:
            raise error
        metrics.ERRORS.labels(error.code).inc()
        self._scope["state"]["error_code"] = error.code
        await _send_error(error, self._scope, send)
        error.__traceback__ = None  # its frames refer to the error, and would live until a garbage collection

    def done(self) -> None:
        """Log and count the request."""
        seconds = time.perf_counter() - self._started
        scope = self._scope
        route = getattr(scope.get("route"), "path", "unmatched")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.count_request(method, route, self.status, seconds)
        fields = {
            "request_id": self.id,
            "method": method,
            "path": scope["path"][:_SHOWN_PATH],
            "status": self.status,
            "seconds": round(seconds, 6),
            "client": scope["client"][0] if scope.get("client") else None,
        }
        for name in _FROM_STATE:
            if name in scope["state"]:
                fields[name] = scope["state"][name]
        log_request(fields, "debug" if route in _QUIET else "info")


_LINES_PER_SECOND = 10
_refusals = {"second": 0, "lines": 0, "left_out": 0}


def refusal(error: RedshiftError, client: tuple[str, int] | None) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Count and log an error of a connection without a request; return the headers and the body of the reply.

    A flood of connections is counted in full, and logged with at most `_LINES_PER_SECOND` lines.
    """
    metrics.ERRORS.labels(error.code).inc()
    metrics.count_request("other", "unmatched", error.status, 0.0)
    request_id = new_id()
    now = int(time.monotonic())
    if now != _refusals["second"]:
        _refusals.update(second=now, lines=0)
    if _refusals["lines"] < _LINES_PER_SECOND:
        left_out = {"left_out": _refusals["left_out"]} if _refusals["left_out"] else {}
        _refusals["lines"] += 1
        _refusals["left_out"] = 0
        _log.info(
            "refused",
            request_id=request_id,
            status=error.status,
            error_code=error.code,
            client=client[0] if client else None,
            **left_out,
        )
    else:
        _refusals["left_out"] += 1
    headers, body = _as_answer(error)
    return [*headers, (CONTENT_POLICY, NOTHING), *HEADERS, (b"x-request-id", request_id.encode())], body


async def _send_error(error: RedshiftError, scope: Scope, send: Send) -> None:
    """Send an error as an HTTP answer in the one shape, or as a VOTable to whoever asked for VOTable."""
    headers, body = _as_answer(error, votable=wants_votable(scope))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _as_answer(error: RedshiftError, *, votable: bool = False) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of the answer that an error is, as JSON or as a VOTable."""
    kind, body = (VOTABLE, write_error(error.body())) if votable else (JSON, orjson.dumps(error.body()))
    headers = {"content-type": kind, "content-length": str(len(body)), **error.headers()}
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()], body
