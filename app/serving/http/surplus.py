"""Connections beyond the limit, which are looked at for a moment: health checks are answered however many there are.

Imports nothing of the project.
"""

from typing import Protocol
from weakref import WeakKeyDictionary

SECONDS = 0.5
"""A connection beyond the limit has this long to show that it asks for the service's health."""
_MOST = 128
"""Connections that are looked at; of more, the oldest has had its time, so a flood can never fill the room."""


class Refusable(Protocol):
    """A connection."""

    def give_up(self) -> None:
        """Refuse and close, now."""


_beyond: WeakKeyDictionary[object, dict[Refusable, None]] = WeakKeyDictionary()
"""For the state of each server, its connections beyond the limit, the oldest first."""


def add(state: object, connection: Refusable) -> None:
    """Look at one connection more, and let the oldest go if that is too many."""
    connections = _beyond.setdefault(state, {})
    connections[connection] = None
    if len(connections) > _MOST:
        oldest = next(iter(connections))
        del connections[oldest]
        oldest.give_up()


def discard(state: object, connection: Refusable) -> None:
    """Forget a connection: it is closed, or there is room for it now."""
    _beyond.get(state, {}).pop(connection, None)


def holds(state: object, connection: Refusable) -> bool:
    """Return whether a connection is one too many."""
    return connection in _beyond.get(state, ())
