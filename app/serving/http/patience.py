"""Time limits of a connection. Imports `arrivals`."""

import asyncio
from collections.abc import Callable

from app.serving.http.arrivals import end_sending, unread_bytes

LINGER_SECONDS = 10.0
"""A refused body is read and dropped this long: a connection closed at once would take the answer with it."""
REFUSED_SECONDS = 2.0
"""The same for what is not a request at all."""
IDLE_SECONDS = 10.0
"""A connection without a request stays open this long, longer than many clients keep theirs (httpx: 5 s): who sends the
next request just as the connection is closed gets no answer."""
LONGEST_IDLE_SECONDS = 75.0
"""The same while less than half of the allowed connections are open; proxies keep theirs for 60 s."""
LAST_SECONDS = 1.0
"""The same when the service ends: what has been sent by then is answered, and the connection closed with the answer."""
LOOK_SECONDS = 0.05
"""Where time is up and something has come that was not read yet, it is up after this long."""


class Patience:
    """One time limit at a time, on a shared timer, since a timer for each took 2% of a small request.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._when_over: Callable[[], None] | None = None

    def wait(self, seconds: float, when_over: Callable[[], None]) -> None:
        """Call `when_over` after `seconds`, unless the wait is ended or replaced before."""
        self._due, self._when_over = self._loop.time() + seconds, when_over
        if self._timer is not None:
            if self._timer.when() <= self._due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._due, self._look)

    def waits_for(self, when_over: Callable[[], None]) -> bool:
        """Return whether this function would be called."""
        return self._when_over == when_over

    def end(self) -> None:
        """End the wait."""
        self._when_over = None

    def close(self) -> None:
        """End the wait and the timer."""
        self._when_over = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._when_over is None:
            return
        if self._loop.time() < self._due:
            self._timer = self._loop.call_at(self._due, self._look)
            return
        when_over, self._when_over = self._when_over, None
        when_over()


class ReaderPatience:
    """Disconnects a client that does not read its answer.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    transport : asyncio.Transport
    seconds : float
        Interval in which the client must have read some bytes.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, seconds: float) -> None:
        self.transport, self.seconds = transport, seconds
        self._patience = Patience(loop)
        self._unsent = 0
        self.close = self._patience.close
        self.end = self._patience.end

    def begin(self) -> None:
        """Start checking the client, which does not keep up with its answer."""
        self._unsent = self.transport.get_write_buffer_size()
        self._patience.wait(self.seconds, self._judge)

    def reads(self) -> bool:
        """Return whether the client has read some of its answer since the last call."""
        unsent, before = self.transport.get_write_buffer_size(), self._unsent
        self._unsent = unsent
        return not before or unsent < before

    def _judge(self) -> None:
        if self.reads():
            self._patience.wait(self.seconds, self._judge)
        else:
            self.transport.abort()


class IdlePatience:
    """Closes a connection on which no further request comes.

    Parameters
    ----------
    loop : asyncio.AbstractEventLoop
    patience : Patience
        Of the connection.
    reader : ReaderPatience
        Of its client.
    crowded : callable
        Returns whether others need the place of an idle connection.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, patience: Patience, reader: ReaderPatience, crowded: Callable[[], bool]
    ) -> None:
        self._loop, self._patience, self._reader, self._crowded = loop, patience, reader, crowded
        self._until = 0.0

    def wait(self, *, ending: bool) -> None:
        """Wait for the next request, a shorter time if the service is ending."""
        self._until = self._loop.time() + (0 if ending else LONGEST_IDLE_SECONDS)
        self._patience.wait(LAST_SECONDS if ending else IDLE_SECONDS, self._look)

    def waits(self) -> bool:
        """Return whether no part of the next request has come."""
        return self._patience.waits_for(self._look)

    def _look(self) -> None:
        transport = self._reader.transport
        if unread_bytes(transport):  # a request lies here: we were busy
            self._patience.wait(LOOK_SECONDS, self._look)
        elif transport.get_write_buffer_size():
            if self._reader.reads():
                self._patience.wait(self._reader.seconds, self._look)
            else:
                transport.abort()
        elif self._loop.time() < self._until and not self._crowded():
            self._patience.wait(IDLE_SECONDS, self._look)
        else:  # a request that came before the transport is closed, in a later turn of the loop, would be lost
            end_sending(transport)
            transport.close()
