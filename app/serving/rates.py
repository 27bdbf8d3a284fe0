"""Rate limits per key, over all worker processes. Imports `metrics_files`.

For each key one number is kept: the time at which its full burst will be available again. Each request delays it by the
interval between two requests; a request that would delay it by more than the burst is refused (generic cell rate
algorithm). The workers share the numbers in a file next to their metrics, on the machine's monotonic clock.
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
    """Rate limits of all keys.

    Parameters
    ----------
    rate : float
        Requests per second; twice as many in a burst, but at least one.
    keys : iterable of str
        Hashes of the keys.
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
        """Count a request and return 0, or return the seconds until the next one is allowed."""
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
