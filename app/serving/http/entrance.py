"""Where requests wait until the event loop has time for them. Imports `errors` and `share`."""

from weakref import WeakKeyDictionary

from app.errors import OverloadedError
from app.serving.share import LoopShare

_MOST_BYTES = 64 << 20
"""Of the bodies of requests that wait; while there is more, the next request is refused before it is read."""


class Entrance(LoopShare):
    """The requests that wait for their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        """Bytes that have come of their bodies."""

    def refuse_if_full(self) -> None:
        """Raise OverloadedError if there is no room for one more request."""
        if self.held > _MOST_BYTES:
            raise OverloadedError("too many requests have come at once: try again in a moment", self.waited)


_entrances: WeakKeyDictionary[object, Entrance] = WeakKeyDictionary()


def entrance_of(state: object) -> Entrance:
    """Return the entrance of a server, by its state."""
    found = _entrances.get(state)
    if found is None:
        found = _entrances[state] = Entrance()
    return found
