"""How many requests a second each key may send, to all worker processes together. Imports `metrics_files`.

For each key one number is kept: when it will have its whole burst again. Each request puts that off by the time
between two requests, and none may put it off further than the burst allows (the generic cell rate algorithm). The
workers share the numbers in a file beside their metrics, by the clock that all processes of a machine share.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from mmap import mmap
from pathlib import Path

from app.serving import metrics_files

_NUMBER = struct.Struct("d")


class Rates:
    """Of every key: whether it may send one request more now.

    Parameters
    ----------
    rate : float
        Requests a second; twice as many in a burst, and one at least.
    keys : iterable of str
        Every key's hash.
    """

    def __init__(self, rate: float, keys: Iterable[str]) -> None:
        self._interval = 1 / rate
        self._burst_seconds = (max(1.0, 2 * rate) - 1) / rate
        self._places = {key: _NUMBER.size * place for place, key in enumerate(sorted(set(keys)))}
        size = max(1, len(self._places)) * _NUMBER.size
        self._lock: int | None = None
        self._numbers: mmap | bytearray = bytearray(size)
        if metrics_files.FOLDER in os.environ:
            path = Path(os.environ[metrics_files.FOLDER]) / "rates"
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            with self._locked():
                if os.fstat(self._lock).st_size < size:
                    os.write(self._lock, bytes(size))
            self._numbers = mmap(self._lock, size)

    def take(self, key: str) -> float:
        """Count one request and return 0, or return the seconds until there may be one."""
        place = self._places[key]
        with self._locked():
            now = time.monotonic()
            (whole_at,) = _NUMBER.unpack_from(self._numbers, place)
            wait: float = whole_at - self._burst_seconds - now
            if wait > 0:
                return wait
            _NUMBER.pack_into(self._numbers, place, max(whole_at, now) + self._interval)
        return 0.0

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if self._lock is None:
            yield
            return
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
