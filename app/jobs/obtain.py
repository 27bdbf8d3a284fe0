"""Obtaining tables that were not sent: from a URL, or from a folder. Imports its neighbours."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from app.errors import AddressRefusedError, BodyTooLargeError, FetchFailedError
from app.jobs.files import INPUT, Files
from app.jobs.outside import Outside, media_type
from app.jobs.patience import patiently
from app.jobs.queue import Lease
from app.settings import Settings

_PIECE = 1 << 20
_JUDGED_SECONDS = 60.0


def obtain(lease: Lease, files: Files, settings: Settings, step: Callable[[], None] = lambda: None) -> None:
    """Copy a job's table to its files, unless it is there already.

    Parameters
    ----------
    lease : Lease
    files : Files
    settings : Settings
    step : callable, optional
        Called after every piece.

    Raises
    ------
    AddressRefusedError, FetchFailedError, BodyTooLargeError
        If it may not be fetched, cannot be fetched, comes too slowly, or is too large.
    """
    job = lease.job
    if job.obtained:
        return
    address = job.address or ""
    known = {}
    size, judged, judged_at = 0, 0, time.monotonic()
    with _pieces(address, job.source == "url", settings) as (pieces, kind), files.create(job.id, INPUT) as file:
        for piece in pieces:
            size += len(piece)
            if size > settings.jobs_max_body_bytes:
                raise BodyTooLargeError(f"the table is larger than {settings.jobs_max_body_bytes} bytes: split it")
            file.write(piece)
            step()
            now = time.monotonic()
            if now - judged_at > _JUDGED_SECONDS:
                if size - judged < settings.min_bytes_per_second * _JUDGED_SECONDS:
                    raise FetchFailedError(f"the address sends less than {settings.min_bytes_per_second} bytes/s")
                judged, judged_at = size, now
    if kind and not job.media_type:
        known["media_type"] = kind
    patiently(lambda: lease.describe(obtained=True, input_bytes=size, **known))
    patiently(lease.refresh)


@contextmanager
def _pieces(address: str, is_url: bool, settings: Settings) -> Iterator[tuple[Iterable[bytes], str]]:
    if not is_url:
        with find_file(address, settings).open("rb") as file:
            yield iter(lambda: file.read(_PIECE), b""), ""
        return
    outside = Outside(settings, settings.jobs_hosts, "GAIA_REDSHIFT_JOBS_HOSTS")
    try:
        with outside.get(address) as answer:
            yield answer.iter_stream(), media_type(answer)
    finally:
        outside.close()


def find_file(name: str, settings: Settings) -> Path:
    """Return a file in the folder of inputs; raises AddressRefusedError for any other path, after resolving links."""
    if settings.jobs_inputs is None:
        raise AddressRefusedError(
            "this service does not read files of its machine: set GAIA_REDSHIFT_JOBS_INPUTS, or send the file"
        )
    folder = settings.jobs_inputs.resolve()
    try:
        path = (folder / name).resolve()
        good = path.is_relative_to(folder) and path.is_file()
    except (OSError, ValueError):
        good = False
    if not good:
        raise AddressRefusedError(f"{name[:200]!r} is not a file in the folder that jobs may read")
    return path
