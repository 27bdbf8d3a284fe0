"""Accepts connections, many in each turn of the event loop. Imports `arrivals`.

uvloop accepts one in each turn: behind a crowd of a thousand, whose turns take long, a health check waited for half a
minute to be accepted. Workers that share a port take turns: the one that is awake was the first at each connection, and
got all 64 of a client that opened them one after the other.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from socket import socket

from app.serving.http.arrivals import not_accepted

_AT_ONCE = 256
"""Most connections accepted in one turn, from each socket."""
_OTHERS_SECONDS = 0.001
"""Pause of one of several workers after it accepted its share of those that wait, in which the others accept."""
_REST_SECONDS = 0.1
"""Pause while no file can be opened for a connection; it waits to be accepted."""

_log = logging.getLogger("uvicorn.error")


class Listener:
    """Accepts the connections of listening sockets, until it is closed; has the interface of asyncio's servers.

    Parameters
    ----------
    sockets : sequence of socket
        Bound.
    make_protocol : callable
        Returns the protocol of a connection.
    backlog : int
        Most connections that wait to be accepted.
    workers : int
        How many processes accept from the same sockets.
    """

    def __init__(
        self,
        sockets: Sequence[socket],
        make_protocol: Callable[[], asyncio.BaseProtocol],
        backlog: int,
        workers: int = 1,
    ) -> None:
        self.sockets = tuple(sockets)
        self._make_protocol, self._workers = make_protocol, workers
        self._loop = asyncio.get_running_loop()
        self._beginning: set[asyncio.Task[None]] = set()
        self._closed = False
        for sock in self.sockets:
            sock.setblocking(False)
            sock.listen(backlog)
            self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket) -> None:
        share = max(1, -(-not_accepted(sock) // self._workers)) if self._workers > 1 else _AT_ONCE
        for _ in range(min(share, _AT_ONCE)):
            try:
                connection, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                _log.warning("a connection waits to be accepted: %s", error)
                self._pause(sock, _REST_SECONDS)
                return
            task = self._loop.create_task(self._begin(connection))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
        if self._workers > 1:
            self._pause(sock, _OTHERS_SECONDS)

    def _pause(self, sock: socket, seconds: float) -> None:
        self._loop.remove_reader(sock)
        self._loop.call_later(seconds, self._go_on, sock)

    def _go_on(self, sock: socket) -> None:
        if not self._closed:
            self._loop.add_reader(sock, self._accept, sock)

    async def _begin(self, connection: socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make_protocol, connection)
        except OSError:  # its client has left
            connection.close()

    async def settled(self) -> None:
        """Return when every accepted connection has its protocol."""
        while self._beginning:
            await asyncio.wait(self._beginning)

    def close(self) -> None:
        """Accept no more."""
        self._closed = True
        for sock in self.sockets:
            self._loop.remove_reader(sock)

    async def wait_closed(self) -> None:
        """Return at once: the sockets are closed by whoever made them."""
