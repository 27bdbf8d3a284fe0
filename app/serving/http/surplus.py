"""Connections beyond the limit, kept briefly so that health checks are answered at any load, and others told.

Imports nothing of the project.
"""

import resource
from typing import Any, Protocol
from weakref import WeakKeyDictionary

SECONDS = 0.5
"""Seconds in which a connection beyond the limit must send a health check."""
_MOST = 512
"""Twice as many as are accepted in one turn of the event loop, so that each is read before others take its place."""


def most() -> int:
    """Return how many connections are kept beyond the limit; for each further one, the oldest is refused and closed."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if files == resource.RLIM_INFINITY else min(_MOST, files // 4)


class Refusable(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """Refuse and close, now."""


_beyond: WeakKeyDictionary[object, dict[Refusable, None]] = WeakKeyDictionary()
"""The connections beyond the limit, by server state, oldest first."""


def add(state: object, connection: Refusable) -> None:
    """Add a connection, and refuse the oldest if there are too many."""
    connections = _beyond.setdefault(state, {})
    connections[connection] = None
    if len(connections) > most():
        oldest = next(iter(connections))
        del connections[oldest]
        oldest.give_up()


def room(state: Any, limit: int) -> int:
    """Return how many more connections are within the limit; negative where the last is beyond it."""
    return limit - len(state.connections) + len(_beyond.get(state, ()))


def crowded(state: Any, limit: int) -> bool:
    """Return whether at least half of the connections allowed are open."""
    return 2 * room(state, limit) <= limit


def discard(state: object, connection: Refusable) -> None:
    """Remove a connection that was closed or accepted."""
    _beyond.get(state, {}).pop(connection, None)


def holds(state: object, connection: Refusable) -> bool:
    """Return whether a connection is beyond the limit."""
    return connection in _beyond.get(state, ())
