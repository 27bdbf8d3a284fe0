"""Processes that are killed while jobs are worked on, and one that hangs."""

import contextlib
import random
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from app.jobs.holder import is_gone
from tests.app.jobs.owner import table
from tests.reliability.jobs.owner import LAYERS, OVER, Jobs, settings_for, until, workers_of
from tests.reliability.service import Service


def kill_service(service: Service, *, alone: bool) -> None:
    """kill -9 of the service: alone, which leaves its workers behind, or with all its processes."""
    processes = [psutil.Process(service.process.pid), *([] if alone else workers_of(service))]
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    service.process.wait(60)
    psutil.wait_procs(processes, 60)


def kills(folder: Path, number: int, rows: int = 60_000, seed: int = 1) -> dict[str, Any]:
    """Kill processes at random moments: a worker, or the service with all of them."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    # The many kills of this test must not count as a job that ends its processes.
    service = Service(folder, layers=LAYERS, **settings_for(folder, jobs_attempts=1000))
    done: list[int] = []
    counts: Counter[str] = Counter()
    service.__enter__()
    try:
        jobs = Jobs(service)
        jobs.send(table(rows))
        last = 0
        for _ in range(number):
            if all(phase in OVER for phase in jobs.phases()):
                jobs.send(table(rows, seed=chance.randrange(1000)))
            if chance.random() < 0.9:  # else perhaps before a worker has begun
                last = _taken_again(folder, last, jobs)
            time.sleep(chance.uniform(0.0, 3.0))
            counts["while a job was worked on"] += _is_worked_on(folder)
            done.append(sum(jobs.look(job)["progress"]["rows_done"] for job in jobs.sent))
            what = chance.choice(("workers", "services with their workers", "services alone"))
            if what == "workers" and (found := workers_of(service)):
                counts[f"{what} killed"] += 1
                with contextlib.suppress(psutil.NoSuchProcess):
                    found[0].kill()
            else:
                counts[f"{what} killed"] += 1
                kill_service(service, alone=what == "services alone")
                service.__enter__()
            after = sum(jobs.look(job)["progress"]["rows_done"] for job in jobs.sent)
            assert after >= done[-1], "rows that were done are not done any more"
        jobs.wait()
        return {**counts, **jobs.judge(), "rows": rows * len(jobs.sent)}
    finally:
        service.__exit__(None, None, None)


def _leases(folder: Path) -> list[tuple[int, str]]:
    """Return from the database how often jobs were taken, and the holders of running ones."""
    with contextlib.closing(sqlite3.connect(folder / "jobs" / "jobs.db")) as database:
        found: list[tuple[int, str]] = database.execute(
            "SELECT token, CASE phase WHEN 'EXECUTING' THEN coalesce(worker, '') ELSE '' END FROM jobs"
        ).fetchall()
    return found


def _taken_again(folder: Path, before: int, jobs: Jobs) -> int:
    """Wait until a job was taken since, or all are over; return how often jobs were taken."""

    def true() -> bool:
        return sum(token for token, _ in _leases(folder)) > before or set(jobs.phases()) <= OVER

    until(true, jobs.service)
    return sum(token for token, _ in _leases(folder))


def _is_worked_on(folder: Path) -> bool:
    return any(holder and not is_gone(holder) for _, holder in _leases(folder))


def thousand_jobs(folder: Path, number: int = 1000) -> dict[str, Any]:
    """Send a thousand jobs from eight clients to two services on one database, and kill their workers meanwhile."""
    contents = [table(50, seed=seed) for seed in range(10)]
    settings = settings_for(folder, jobs_workers=2, jobs_per_owner=2 * number)
    with Service(folder, layers=0, **settings) as service, Service(folder / "2", **settings) as second:
        jobs = Jobs(service)
        began = time.monotonic()
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda place: jobs.send(contents[place % 10]), range(number)))
        accepted = time.monotonic() - began
        killed = 0
        for _ in range(6):
            time.sleep(1)
            for process in (*workers_of(service)[:1], *workers_of(second)[:1]):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                    killed += 1
        jobs.wait()
        seconds = round(time.monotonic() - began, 1)
        return {"accepted in s": round(accepted, 1), "all over after s": seconds, "killed": killed, **jobs.judge()}


def worker_hangs(folder: Path) -> dict[str, Any]:
    """Stop a worker in the middle of a job (SIGSTOP), and continue it when another has the job."""
    with Service(folder, layers=LAYERS, **settings_for(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(60_000))
        until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, service)
        busy = max(workers_of(service), key=lambda process: sum(process.cpu_times()[:2]))
        busy.suspend()
        stopped = jobs.look(job)["progress"]["rows_done"]
        until(lambda: jobs.look(job)["progress"]["rows_done"] > stopped + 4096, service)
        with contextlib.suppress(psutil.NoSuchProcess):
            busy.resume()
        jobs.wait()
        replaced = b"hangs" in service.log.read_bytes() or not busy.is_running()
        return {"the one that hung was replaced": replaced, **jobs.judge()}
