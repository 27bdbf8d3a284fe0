"""uvicorn's HTTP protocol, made impatient: bounds what a client does around its requests. Imports `errors`.

uvicorn waits for ever for the headers of a request, for the rest of a body that was refused, and for a client that
does not read its answer; and it lets the work for a client that left go on. Each of these ends here, with an error in
the one shape where there is still somebody to read it.
"""

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.errors import HeadersTooLargeError, MalformedRequestError, RequestTooSlowError, TooManyConnectionsError
from app.settings import Settings
from gaia_redshift.errors import RedshiftError

IN_SERVICE = "gaia_redshift.in_service"
"""In an ASGI scope: the tasks of all requests that this process serves at the moment, the request itself included."""

_LINGER_SECONDS = 10.0
"""A refused body is read and dropped this long: a connection closed at once would take the answer with it."""


class ImpatientProtocol(HttpToolsProtocol):
    """One connection, within the limits of the settings."""

    def __init__(self, settings: Settings, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.settings = settings
        self._timer: asyncio.TimerHandle | None = None
        self._head_bytes: int | None = 0
        self._unsent = self._unread = 0
        self._stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Refuse one connection too many; give the first request its time."""
        super().connection_made(transport)  # type: ignore[arg-type]
        if len(self.connections) > self.settings.max_connections:
            self._refuse(TooManyConnectionsError(f"{self.settings.max_connections} connections are open"))
        else:
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the work for a client that left."""
        self._stop_timer()
        self._stop_stalled()
        unanswered = self.cycle is not None and not self.cycle.response_complete
        scope: Any = self.cycle.scope if self.cycle is not None else {}
        super().connection_lost(exc)
        if unanswered and "task" in scope:
            scope["client_left"] = True
            scope["task"].cancel()

    def data_received(self, data: bytes) -> None:
        """Parse; count the bytes of an unfinished head."""
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > self.settings.max_head_bytes:
                limit = self.settings.max_head_bytes
                self._refuse(HeadersTooLargeError(f"the request line and headers are longer than {limit} bytes"))
        elif self._timer is None and self.timeout_keep_alive_task is None and self.cycle.response_complete:
            self._expect_head()  # an idle connection that sent only line ends, or the last of a refused body

    def on_message_begin(self) -> None:
        """Start the time for a head, if it does not run yet."""
        super().on_message_begin()
        if self._head_bytes is None:
            self._expect_head()

    def on_headers_complete(self) -> None:
        """Stop the time for a head."""
        self._head_bytes = None
        self._stop_timer()
        super().on_headers_complete()
        self.scope[IN_SERVICE] = self.tasks  # type: ignore[literal-required]
        # The answer to HEAD has no body whose first piece would take the head along.
        if self.cycle is not None and self.scope["method"] != "HEAD" and not isinstance(self.cycle.transport, _Joined):
            self.cycle.transport = _Joined(self.transport)  # type: ignore[assignment]

    def on_message_complete(self) -> None:
        """Read on, to see the client leave; stop the time for the rest of a refused body."""
        super().on_message_complete()
        if not self.pipeline:
            self.flow.resume_reading()
        if self.cycle is not None and self.cycle.response_complete:
            self.cycle.more_body = False
            self._stop_timer()

    def on_response_complete(self) -> None:
        """Give the rest of a refused body a little time."""
        super().on_response_complete()
        if self.cycle.more_body and self.cycle.response_complete and self._timer is None:
            self._timer = self.loop.call_later(_LINGER_SECONDS, self._break_off)

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, but break it off when its client does not read its answer."""
        if self.transport.is_closing():
            return
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            self.transport.close()
        elif self._unsent and unsent >= self._unsent:
            self._break_off()
        else:
            self._unsent = unsent
            self.timeout_keep_alive_task = self.loop.call_later(
                self.settings.slow_seconds, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        """Give a client that does not keep up with its answer the time to read some of it."""
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._stalled = self.loop.call_later(self.settings.slow_seconds, self._judge_reader)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self._stop_stalled()
        super().resume_writing()

    def _judge_reader(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unread:
            self._stalled = None
            self._break_off()
            return
        self._unread = unsent
        self._stalled = self.loop.call_later(self.settings.slow_seconds, self._judge_reader)

    def _stop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP in the one shape."""
        self._refuse(MalformedRequestError(msg))

    def _expect_head(self) -> None:
        self._head_bytes = 0
        self._stop_timer()
        self._timer = self.loop.call_later(self.settings.head_seconds, self._head_too_slow)

    def _head_too_slow(self) -> None:
        self._timer = None
        seconds = self.settings.head_seconds
        self._refuse(RequestTooSlowError(f"no complete request line and headers within {seconds:g} s"))

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _break_off(self) -> None:
        self._timer = None
        self.transport.abort()

    def _refuse(self, error: RedshiftError) -> None:
        """Write an error without a request, and close."""
        self._stop_timer()
        self._head_bytes = None
        if self.transport.is_closing():
            return
        body = orjson.dumps(error.body())
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers()}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.transport.write(STATUS_LINE[error.status] + f"{lines}Connection: close\r\n\r\n".encode() + body)
        self.transport.close()


class _Joined:
    """A transport that sends an answer's head together with the first piece of its body.

    uvicorn writes them one after the other, and each write is a system call that wakes the client: a fifth of the
    processor time of a small answer.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes) -> None:
        """Keep the first piece, the head; send it with the second. A leave to send the body comes before both."""
        if self._head is None or data.startswith(b"HTTP/1.1 100 "):
            self._transport.write(data)
        elif not self._head:
            self._head = data
        else:
            self._transport.write(self._head + data)
            self._head = None

    def close(self) -> None:
        """Close; a head without a body is no answer."""
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
