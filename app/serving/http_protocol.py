"""The protocol of one connection, with the limits of the settings; replaces uvicorn's own.

uvicorn waits without limit for the headers of a request, for the rest of a refused body, and for a client that does not
read its answer; it continues work for a disconnected client; and it relies on its parser for the end of a request. Here
each is limited, and `http.head` and `http.body` find the end of a request. Pipelined requests wait for their turn. Of
uvicorn this uses `connections`, `tasks`, `total_requests`, `default_headers` of the server's state, and `shutdown`.
"""

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any

from uvicorn.config import Config

from app.errors import RequestTooSlowError, TooManyConnectionsError
from app.serving.access_log import refusal
from app.serving.http import patience, surplus
from app.serving.http.arrivals import drop_unread, unread_bytes
from app.serving.http.body import Body, body_of
from app.serving.http.entrance import HEALTH, entrance_for
from app.serving.http.exchange import HIGH_WATER, IN_SERVICE, WHOLE_BODY, Exchange, address_of, write_head
from app.serving.http.head import Head, take_head
from app.serving.http.patience import IdlePatience, Patience, ReaderPatience
from app.serving.origins import cors_headers
from app.settings import Settings
from gaia_redshift.errors import RedshiftError

_MOST_DROPPED = 16 << 20
"""Of what follows a connection's last request no more is read: 9 GB were sent and dropped in 8 s."""


class ImpatientProtocol(asyncio.Protocol):
    """One connection.

    Parameters
    ----------
    settings : Settings
    config, server_state, app_state, _loop
        As uvicorn's server gives them.
    """

    transport: asyncio.Transport

    def __init__(
        self,
        settings: Settings,
        config: Config,
        server_state: Any,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        if not config.loaded:
            config.load()
        self.settings, self._application, self._root_path = settings, config.loaded_app, config.root_path
        self._state, self._app_state = server_state, app_state
        self.loop = _loop or asyncio.get_running_loop()
        self._buffer = b""
        self._exchange: Exchange | None = None
        self._task: asyncio.Task[None] | None = None
        self._body: Body | None = None
        self._reading, self._dropped = True, 0
        self._ending = False
        """Whether the service is shutting down; the next request is then the last."""
        self._over = False
        """Whether further input is dropped, until the client has read its answer."""
        self._patience = Patience(self.loop)
        self.writable = asyncio.Event()
        self.writable.set()

    # Called by the event loop.
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time limit of the first request; a shorter one for a connection beyond the limit."""
        self.transport = transport  # type: ignore[assignment]
        self._state.connections.add(self)
        self._reader = ReaderPatience(self.loop, self.transport, self.settings.slow_seconds)
        crowded = partial(surplus.crowded, self._state, self.settings.max_connections)
        self._idle = IdlePatience(self.loop, self._patience, self._reader, crowded)
        self._server, self._client = address_of(transport, "sockname"), address_of(transport, "peername")
        if surplus.room(self._state, self.settings.max_connections) >= 0:
            self._patience.wait(self.settings.head_seconds, self._head_too_slow)
        else:
            self._patience.wait(surplus.SECONDS, self._one_too_many)
            surplus.add(self._state, self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Stop the work for a client that disconnected."""
        self._state.connections.discard(self)
        surplus.discard(self._state, self)
        self._patience.close()
        self._reader.close()
        self._over = True
        self.writable.set()
        exchange, self._exchange = self._exchange, None
        if exchange is not None and not exchange.answered:
            exchange.leave()
            if self._task is not None and "task" in exchange.scope:
                exchange.scope["client_left"] = True
                self._task.cancel()

    def data_received(self, data: bytes) -> None:
        """Process received bytes."""
        if self._over:
            self._dropped += len(data)
            if self._dropped > _MOST_DROPPED:
                self._pause()
            return
        if self._idle.waits():
            self._patience.wait(self.settings.head_seconds, self._head_too_slow)
        self._buffer = self._buffer + data if self._buffer else data
        try:
            self._advance()
        except RedshiftError as error:
            self._buffer = b""
            if (exchange := self._exchange) is None:
                self._refuse(error)
            elif exchange.answered:
                self._linger()
            else:
                self._over = True  # the end of this request is unknown, and so is the start of the next
                exchange.fail(error)

    def eof_received(self) -> None:
        """Close the connection; a client that ends its stream counts as disconnected."""

    def pause_writing(self) -> None:
        """Start the time limit for a client that does not keep up with its answer."""
        self.writable.clear()
        self._reader.begin()

    def resume_writing(self) -> None:
        """Continue, since the client has read."""
        self._reader.end()
        self.writable.set()

    # Called by uvicorn's server.
    def shutdown(self) -> None:
        """Answer the current request, or one that arrives now, and close."""
        self._ending = True
        if self._exchange is not None:
            self._exchange.keep_alive = False
        elif not (self._over or self._buffer or surplus.holds(self._state, self)):
            self._idle.wait(ending=True)

    # Called by an exchange.
    def want_more(self) -> None:
        """Continue reading the body, unless much of what has been read is still to be divided into chunks."""
        if not self._reading and (self._over or self._body is None or not self._body.behind):
            self._reading = True
            self.transport.resume_reading()

    def finish(self) -> None:
        """Drop the rest of a refused body; then process the next request, or wait for it."""
        exchange = self._exchange
        assert exchange is not None  # noqa: S101 - it calls
        self._state.total_requests += 1
        if not exchange.keep_alive or self._over:
            if self._over or exchange.more_body:
                self._linger()
            else:
                self._close()
            return
        if exchange.more_body:
            self.want_more()
            self._patience.wait(patience.LINGER_SECONDS, self.transport.abort)
        else:
            self._exchange = None
            self._idle.wait(ending=self._ending)
            if self._buffer:
                self.loop.call_soon(self.data_received, b"")  # not a direct call, which could recurse a thousand deep
            self.want_more()

    # Reading.
    def _advance(self) -> None:
        """Read the head or the body of a request, as far as it has arrived."""
        while self._buffer and not self._over:
            if self._exchange is None:
                head, self._buffer = take_head(self._buffer, self.settings.max_head_bytes)
                if head is None:
                    if self._idle.waits():
                        self._patience.wait(self.settings.head_seconds, self._head_too_slow)
                    return
                try:
                    self._begin(head)
                except RedshiftError as error:
                    self._refuse(error, cors_headers(head.headers, self.settings.cors_origins))
            elif self._body is not None:
                self._read_body(self._exchange, self._body)
                if self._body is not None:
                    return
            else:
                if len(self._buffer) > HIGH_WATER:
                    self._pause()
                return

    def _begin(self, head: Head) -> None:
        """Let the application answer a request."""
        if surplus.holds(self._state, self):
            if surplus.room(self._state, self.settings.max_connections) > 0:  # others have closed
                surplus.discard(self._state, self)
            elif head.path.startswith(HEALTH):
                head.keep_alive = False
            else:
                raise self._too_many()
        if self._ending:
            head.keep_alive = False
        self._patience.end()
        scope = head.scope(self._root_path)
        scope.update(server=self._server, client=self._client, state=self._app_state.copy())
        entrance = entrance_for(head.path, self._state)
        exchange = self._exchange = Exchange(scope, self, self._state.default_headers, head, entrance)
        scope[IN_SERVICE], scope[WHOLE_BODY] = self._state.tasks, exchange.whole_body
        body = body_of(head, self.settings.max_head_bytes, self.settings.largest_body)
        if body.complete:
            exchange.complete()
        else:
            self._body = body
        self._task = self.loop.create_task(exchange.run(self._application))
        self._state.tasks.add(self._task)
        self._task.add_done_callback(self._state.tasks.discard)

    def _read_body(self, exchange: Exchange, body: Body) -> None:
        piece, self._buffer = body.read(self._buffer)
        if piece and not exchange.answered:
            exchange.take(piece)
            if exchange.waiting_bytes > HIGH_WATER:
                self._pause()
        if body.complete:
            self._body = None
            exchange.complete()
            if exchange.answered:
                self._exchange = None
                self._idle.wait(ending=self._ending)
            else:
                self.want_more()  # to notice a disconnect
        elif body.behind:
            self._pause()
            self.loop.call_soon(self._catch_up)

    def _catch_up(self) -> None:
        """Divide more of a body into chunks, in a turn of the event loop of its own."""
        self.data_received(b"")
        exchange = self._exchange
        if not self._over and (exchange is None or exchange.waiting_bytes <= HIGH_WATER):
            self.want_more()

    def _pause(self) -> None:
        if self._reading:
            self._reading = False
            self.transport.pause_reading()

    # Time.
    def _head_too_slow(self) -> None:
        if unread_bytes(self.transport):  # the rest may lie here: we were busy
            self._patience.wait(patience.LOOK_SECONDS, self._head_too_slow)
            return
        seconds = self.settings.head_seconds
        self._refuse(RequestTooSlowError(f"no complete request line and headers within {seconds:g} s"))

    # Ends.
    def _too_many(self) -> TooManyConnectionsError:
        return TooManyConnectionsError(f"{self.settings.max_connections} connections are open")

    def give_up(self) -> None:
        """Refuse and close now, to make room for newer connections; a health check is answered first."""
        if self._exchange is not None and not self._exchange.answered:
            return
        self._one_too_many()
        drop_unread(self.transport)
        self.transport.close()

    def _one_too_many(self) -> None:
        if not self._over and self._exchange is None:
            self._refuse(self._too_many())

    def _refuse(self, error: RedshiftError, more: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send an error for a connection without a request, with more headers, and close."""
        self._over, self._buffer = True, b""
        if self.transport.is_closing():
            return
        headers, body = refusal(error, self._client)
        lines = [*self._state.default_headers, *headers, *more]
        self.transport.write(write_head(error.status, lines, keep_alive=False) + body)
        self._linger(patience.REFUSED_SECONDS)

    def _close(self) -> None:
        """Close; if the client has sent more, linger, since a reset could destroy the answer."""
        if self._buffer or unread_bytes(self.transport):
            self._linger(patience.REFUSED_SECONDS)
        else:
            self._over = True
            self.transport.close()

    def _linger(self, seconds: float = patience.LINGER_SECONDS) -> None:
        """Say that nothing more comes, and wait for the client to see it; what it still sends is dropped."""
        self._over = True
        self.want_more()
        self._patience.wait(seconds, self.transport.abort)
        if self.transport.can_write_eof() and not self.transport.is_closing():
            self.transport.write_eof()
