"""A disk that is full, a database that is locked or gone, and a clock that is set back, in the middle of a job."""

import contextlib
import os
import re
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from tests.app.jobs.owner import JSON, PARQUET, table
from tests.reliability.jobs.owner import LAYERS, Jobs, settings_for, until, workers_of
from tests.reliability.postgresql import Cluster, find_postgresql
from tests.reliability.service import Service

SHIM = Path(__file__).parent / "clock"
"""Has a sitecustomize that sets a process's clock back by the seconds in the file named by a variable."""


def disk_full(folder: Path) -> dict[str, Any]:
    """Fill the disk in the middle of a job, and free space later."""
    room = folder / "disk"
    room.mkdir()
    with _tmpfs(room, "14m"):
        settings = settings_for(folder, jobs_folder=room / "jobs", jobs_min_free_bytes=0)
        with Service(folder, layers=0, **settings) as service:
            jobs = Jobs(service)
            job = jobs.send(table(12_000))  # 9 MB of table, and 9 MB of spectra
            until(lambda: re.search(rb"waits: |waiting for", service.log.read_bytes()) is not None, service)
            stopped = jobs.look(job)
            assert stopped.get("phase") == "EXECUTING", stopped
            subprocess.run(["mount", "-o", "remount,size=200m", str(room)], check=True)
            jobs.wait()
            return {"rows done when it was full": stopped["progress"]["rows_done"], **jobs.judge()}


@contextlib.contextmanager
def _tmpfs(place: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def database_locked(folder: Path, seconds: float = 60) -> dict[str, Any]:
    """Lock the database by another program for a minute in the middle of a job."""
    with Service(folder, layers=LAYERS, **settings_for(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(40_000))
        until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, service)
        other = sqlite3.connect(folder / "jobs" / "jobs.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        answers: Counter[str] = Counter()
        while time.monotonic() - began < seconds:
            reply = httpx.post(
                f"{service.url}/jobs", params={"phase": "RUN"}, content=table(10), timeout=60,
                headers={**JSON, "Content-Type": PARQUET},
            )  # fmt: skip
            answers[f"new job: {reply.status_code}"] += 1
            answers[f"a job's state: {httpx.get(f'{service.url}/jobs/{job}', timeout=30).status_code}"] += 1
            answers[f"/health/ready: {httpx.get(f'{service.url}/health/ready', timeout=30).status_code}"] += 1
        other.execute("ROLLBACK")
        jobs.wait()
        return {**answers, **jobs.judge()}


def database_gone(folder: Path, seconds: float = 60) -> dict[str, Any]:
    """Stop PostgreSQL for a minute in the middle of a job."""
    binaries = find_postgresql()
    if binaries is None:
        return {"skipped": "no PostgreSQL: apt-get install postgresql"}
    with Cluster(binaries) as cluster:
        settings = settings_for(folder, jobs_database=cluster.url, jobs_workers=2)
        with Service(folder, layers=LAYERS, **settings) as service:
            jobs = Jobs(service)
            job = jobs.send(table(40_000))
            until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, service)
            cluster.stop()
            began = time.monotonic()
            answers: Counter[str] = Counter()
            while time.monotonic() - began < seconds:
                answers[f"a job's state: {httpx.get(f'{service.url}/jobs/{job}', timeout=60).status_code}"] += 1
                answers[f"/health/ready: {httpx.get(f'{service.url}/health/ready', timeout=60).status_code}"] += 1
                time.sleep(0.5)
            cluster.start()
            jobs.wait()
            return {**answers, **jobs.judge()}


def clock_set_back(folder: Path) -> dict[str, Any]:
    """Set the clock back by a day in the middle of a job, and kill its worker then; two days forward, and again."""
    offset = folder / "offset"
    offset.write_text("0")
    shim = {"PYTHONPATH": f"{SHIM}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "CLOCK_OFFSET": str(offset)}
    with Service(folder, layers=LAYERS, environment=shim, **settings_for(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(60_000))
        for seconds in (-86_400, 2 * 86_400):
            before = jobs.look(job)["progress"]["rows_done"]
            until(lambda: jobs.look(job)["progress"]["rows_done"] > before, service)  # noqa: B023 - at once
            offset.write_text(str(seconds))
            for process in workers_of(service):
                process.kill()
        jobs.send(table(20))
        jobs.wait()
        ended = jobs.look(job)
        return {"it seemed to take": f"{ended['start_time']} to {ended['end_time']}", **jobs.judge()}
