"""The files in which worker processes keep their metrics; no other module uses them. Imports `errors`.

prometheus-client maps sparse files into memory, and a page that does not fit on the disk ends the process (SIGBUS): an
upload that filled the temporary folder ended every worker and its successors. So the files are kept apart from uploads
if possible, their space is allocated before a worker starts, and a new worker continues with the files of the one that
it replaces.
"""

import fcntl
import os
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from prometheus_client import values
from prometheus_client.mmap_dict import MmapedDict

from app.errors import StorageFullError

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder of these files, read by prometheus-client in every worker."""

_PLACES = (Path("/dev/shm"), Path(tempfile.gettempdir()))  # noqa: S108 - memory, which is what the files are
_GAUGES = ("gauge_livesum", "gauge_livemin", "gauge_livemostrecent")
_SIZES = {"counter": 512 << 10, "histogram": 1 << 20, **dict.fromkeys(_GAUGES, 64 << 10)}
"""Size of the mapped files by the prefix of their name, enough for the metrics of a hundred reloads of new versions."""
_PATIENCE_SECONDS = 5.0

_claimed: IO[bytes] | None = None
"""Kept open, and so locked, until this process ends."""


@contextmanager
def files_for(workers: int) -> Iterator[Path]:
    """Yield a folder with space for the metrics of this many workers, and remove it at the end.

    Raises
    ------
    StorageFullError
        If no place has enough space.
    """
    for place in _PLACES:
        try:
            folder = tempfile.TemporaryDirectory(prefix="gaia-redshift-metrics-", dir=place)
        except OSError:
            continue
        with folder as name:
            try:
                for slot in range(workers):
                    _reserve(Path(name), slot)
            except OSError:
                continue
            yield Path(name)
            return
    raise StorageFullError(f"there is no space for the metrics of {workers} workers in {_PLACES[0]} or {_PLACES[1]}")


def _reserve(folder: Path, slot: int) -> None:
    for kind, size in _SIZES.items():
        with (folder / f"{kind}_{slot}.db").open("ab") as file:
            if not file.tell():
                file.write(bytes(size))  # written zeros occupy space; truncating to a size would not


def claim() -> None:
    """Take over files that no other process uses, before the first metric is created; gauges are reset."""
    global _claimed
    folder = Path(os.environ[FOLDER])
    slot, _claimed = _lock(folder)
    _reserve(folder, slot)
    for kind, size in _SIZES.items():
        path = folder / f"{kind}_{slot}.db"
        if kind.startswith("gauge") or not _is_sound(path):
            with path.open("r+b") as file:
                file.write(bytes(size))
    values.ValueClass = values.MultiProcessValue(lambda: slot)  # type: ignore[no-untyped-call]


def _lock(folder: Path) -> tuple[int, IO[bytes]]:
    """Return the first free slot, or a new one if none becomes free for a while."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while True:
        slots = sorted(int(path.stem.partition("_")[2]) for path in folder.glob("counter_*.db"))
        for slot in [*slots, len(slots)] if time.monotonic() > deadline else slots:
            lock = (folder / f"{slot}.lock").open("wb")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.close()
                continue
            return slot, lock
        time.sleep(0.05)


def _is_sound(path: Path) -> bool:
    """Return whether every entry can be read; a process may have ended while writing one."""
    try:
        for _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            pass
    except (RuntimeError, ValueError, struct.error):
        return False
    return True
