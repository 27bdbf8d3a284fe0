"""What ends a worker in the middle of a job, in tests."""

from typing import Any

import pytest

from app.jobs.queue import Lease


class Interrupted(BaseException):
    """Ends a worker in the middle of its work, like a signal that is not caught."""


def interrupt_after(monkeypatch: pytest.MonkeyPatch, parts: int) -> None:
    """End a worker after so many recorded parts."""
    add = Lease.add
    left = [parts]

    def counted(self: Lease, part: Any, **more: Any) -> None:
        if not left[0]:
            raise Interrupted
        left[0] -= 1
        add(self, part, **more)

    monkeypatch.setattr(Lease, "add", counted)
