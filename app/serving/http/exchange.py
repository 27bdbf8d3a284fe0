"""One request and its answer, for ASGI. Imports `errors` and its neighbours."""

import asyncio
import logging
from collections.abc import Iterable
from http import HTTPStatus
from typing import Protocol

from starlette.types import ASGIApp, Message, Scope

from app.serving.http.entrance import Entrance
from app.serving.http.head import Head
from gaia_redshift.errors import RedshiftError

HIGH_WATER = 64 << 10
"""Most bytes of a body buffered for the application; beyond it, reading pauses."""

IN_SERVICE = "gaia_redshift.in_service"
"""In an ASGI scope: the tasks of all requests that this process serves at the moment, the request itself included."""

WHOLE_BODY = "gaia_redshift.whole_body"
"""In an ASGI scope: a function that returns the whole body, after which none is left to receive; None if the body is
incomplete, or larger than the function's argument."""

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus if status >= 200
}

_log = logging.getLogger("uvicorn.error")


def write_head(
    status: int, headers: Iterable[tuple[bytes, bytes]], *, keep_alive: bool, chunked: bool = False
) -> bytes:
    """Return the head of an answer.

    Raises
    ------
    RuntimeError
        If a header holds a line end, which would allow header injection.
    """
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d \r\n" % status]
    lines += [b"%b: %b\r\n" % header for header in headers if header[0] != b"connection"]
    if chunked:
        lines.append(b"transfer-encoding: chunked\r\n")
    if not keep_alive:
        lines.append(b"connection: close\r\n")
    lines.append(b"\r\n")
    head = b"".join(lines)
    if not head.count(b"\n") == head.count(b"\r") == len(lines) or b"\0" in head:
        raise RuntimeError("a header of the answer holds a line end")
    return head


def address_of(transport: asyncio.BaseTransport, what: str) -> tuple[str, int] | None:
    """Return one end of a connection, ``sockname`` or ``peername``, as ASGI wants it."""
    found = transport.get_extra_info(what)
    return (str(found[0]), int(found[1])) if isinstance(found, tuple | list) else None


class Carrier(Protocol):
    """The interface of a connection for an exchange."""

    transport: asyncio.Transport
    writable: asyncio.Event

    def want_more(self) -> None:
        """Continue reading the body."""

    def finish(self) -> None:
        """Note that the answer has been written."""


class Exchange:
    """A request that is being answered.

    Parameters
    ----------
    scope : dict
        The ASGI scope.
    carrier : Carrier
    default_headers : list of pairs
        Headers of every answer.
    head : Head
        Says whether to keep the connection open, and whether the client waits for 100 Continue.
    entrance : Entrance, optional
        Where to wait for a turn; None for what is answered at once.
    """

    __slots__ = (
        "_carrier",
        "_default_headers",
        "_entrance",
        "_error",
        "_expects_continue",
        "_head",
        "_left",
        "_news",
        "_pieces",
        "_waiter",
        "answered",
        "disconnected",
        "keep_alive",
        "more_body",
        "scope",
        "started",
        "waiting_bytes",
    )

    def __init__(
        self,
        scope: Scope,
        carrier: Carrier,
        default_headers: list[tuple[bytes, bytes]],
        head: Head,
        entrance: Entrance | None = None,
    ) -> None:
        self.scope, self._carrier, self._default_headers = scope, carrier, default_headers
        self.keep_alive, self._expects_continue = head.keep_alive, head.expects_continue
        self._entrance = entrance
        self._pieces: list[bytes] = []
        self.waiting_bytes = 0
        self.more_body, self.disconnected = True, False
        self._news = False
        self._waiter: asyncio.Future[None] | None = None
        self._error: RedshiftError | None = None
        self.started = self.answered = False
        self._head = b""
        self._left: int | None = None
        """Bytes of the answer still to be sent; None if it is chunked."""

    async def run(self, application: ASGIApp) -> None:
        """Let the application answer; an incomplete answer ends the connection."""
        try:
            await self._enter()
            if not self.disconnected:
                await application(self.scope, self.receive, self.send)
        except BaseException as error:
            if not self.disconnected:
                _log.error("the application failed after its answer had begun", exc_info=error)
            self._carrier.transport.abort()
        else:
            if not self.answered and not self.disconnected:
                _log.error("the application did not answer")
                self._carrier.transport.abort()

    async def _enter(self) -> None:
        """Wait for the turn of this request."""
        entrance = self._entrance
        if entrance is not None:
            try:
                await entrance.turn()
            finally:
                entrance.held -= self.waiting_bytes
                self._entrance = None

    # Called by the connection.
    def take(self, piece: bytes) -> None:
        """Take a part of the body."""
        self._pieces.append(piece)
        self.waiting_bytes += len(piece)
        if self._entrance is not None:
            self._entrance.held += len(piece)
        self._tell()

    def complete(self) -> None:
        """Note that the body is complete."""
        self.more_body = False
        self._tell()

    def leave(self) -> None:
        """Note that the client disconnected."""
        self.disconnected = True
        self._pieces = []
        self._tell()

    def fail(self, error: RedshiftError) -> None:
        """Make the application's next `receive` raise, for an invalid body; the connection ends with the answer."""
        self._error, self.keep_alive = error, False
        self._tell()

    def _tell(self) -> None:
        self._news = True
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # Called by the application.
    def whole_body(self, most_bytes: int) -> bytes | None:
        """Return the body if it is complete and no larger, after which none is left to receive; else None."""
        if self.more_body or self.waiting_bytes > most_bytes or self._error is not None or self.disconnected:
            return None
        pieces, self._pieces, self.waiting_bytes, self._news = self._pieces, [], 0, False
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    async def receive(self) -> Message:
        """Return the next part of the body, waiting for it if necessary; after the last, wait for the disconnect."""
        if not self._news and not self.answered:
            if self._expects_continue and not self.started:
                self._carrier.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._carrier.want_more()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        self._news = self._expects_continue = False
        if self._error is not None:
            raise self._error
        if self.disconnected or self.answered:
            return {"type": "http.disconnect"}
        pieces, self._pieces, self.waiting_bytes = self._pieces, [], 0
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Write the answer. The headers are sent with the first part of the body, since each write wakes the client."""
        if not self._carrier.writable.is_set() and not self.disconnected:
            await self._carrier.writable.wait()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.started:
            self.started = True
            self._head = self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self.started and not self.answered:
            self._send_body(message.get("body", b""), more=message.get("more_body", False))
        else:
            raise RuntimeError(f"{kind} is not allowed at this point of an answer")

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        given = [*self._default_headers, *headers]
        self._left = None
        for name, value in given:
            if name == b"content-length":
                self._left = int(value)
            elif name == b"connection" and value.lower() == b"close":
                self.keep_alive = False
        if self.scope["method"] == "HEAD" or status in {204, 304}:
            self._left = 0
        return write_head(status, given, keep_alive=self.keep_alive, chunked=self._left is None)

    def _send_body(self, body: bytes, *, more: bool) -> None:
        if self.scope["method"] == "HEAD":
            body = b""
        elif self._left is None:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        else:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the length of the answer's body differs from its Content-Length")
        if self._head or body:
            self._carrier.transport.write(self._head + body if self._head else body)
            self._head = b""
        if not more:
            self.answered = True
            self._pieces = []  # of a body that was refused; a garbage collection could be far away
            self._tell()
            self._carrier.finish()
