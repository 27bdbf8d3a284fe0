"""Where requests wait until the event loop has time for them. Imports `errors` and `share`."""

from weakref import WeakKeyDictionary

from app.errors import OverloadedError
from app.serving.share import LoopShare

_MOST_BYTES = 64 << 20
"""Most bytes of bodies of requests that wait; while there are more, the next request is refused before it is read."""


HEALTH = "/health/"
"""Paths that are answered at any load, without waiting for a turn."""


class Entrance(LoopShare):
    """The requests that wait for their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0
        """Bytes that have come of their bodies."""

    def refuse_if_full(self) -> None:
        """Raise OverloadedError if there is no room for one more request."""
        if self.held > _MOST_BYTES:
            raise OverloadedError("too many requests at the same time: try again in a moment", self.waited)


_entrances: WeakKeyDictionary[object, Entrance] = WeakKeyDictionary()


def entrance_for(path: str, state: object) -> Entrance | None:
    """Return where a request waits, by its server's state; None where it need not. Raises OverloadedError if full."""
    if path.startswith(HEALTH):
        return None
    found = _entrances.setdefault(state, Entrance())
    found.refuse_if_full()
    return found
