"""The files in which several worker processes keep their metrics. Imports `errors`; the one place that knows them.

prometheus-client maps files of holes into memory, and a hole that the disk has no room for ends the process (SIGBUS):
an upload that filled the temporary folder ended every worker, and every one that came after. So the files lie apart
from uploads where there is such a place, all their room is taken before a worker starts, and a worker that replaces
another goes on with its files.
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
"""The variable that tells prometheus-client, and with it every worker, that and where there are such files."""

_PLACES = (Path("/dev/shm"), Path(tempfile.gettempdir()))  # noqa: S108 - memory, which is what the files are
_GAUGES = ("gauge_livesum", "gauge_livemin", "gauge_livemostrecent")
_SIZES = {"counter": 512 << 10, "histogram": 1 << 20, **dict.fromkeys(_GAUGES, 64 << 10)}
"""What is mapped, by the beginning of the file's name: room for the metrics of a hundred reloads of other versions."""
_PATIENCE_SECONDS = 5.0

_claimed: IO[bytes] | None = None
"""Held open, and so locked, as long as this process lives."""


@contextmanager
def files_for(workers: int) -> Iterator[Path]:
    """Yield a folder with room for the metrics of so many workers, and remove it in the end.

    Raises
    ------
    StorageFullError
        If no place has the room.
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
    raise StorageFullError(f"there is no room for the metrics of {workers} workers in {_PLACES[0]} nor {_PLACES[1]}")


def _reserve(folder: Path, slot: int) -> None:
    for kind, size in _SIZES.items():
        with (folder / f"{kind}_{slot}.db").open("ab") as file:
            if not file.tell():
                file.write(bytes(size))  # zeros that are written have their room; a file made longer has none


def claim() -> None:
    """Take over files that no other process has, before the first metric is made; gauges begin anew."""
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
    """Return the first slot that is free; after a while, a new one."""
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
    """Return whether every entry can be read: a process can end in the middle of one."""
    try:
        for _ in MmapedDict.read_all_values_from_file(str(path)):  # type: ignore[no-untyped-call]
            pass
    except (RuntimeError, ValueError, struct.error):
        return False
    return True
