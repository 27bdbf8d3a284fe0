"""What can happen to jobs: are any lost, or done twice?

``python -m tests.reliability.jobs --kills 50 --out jobs.json`` (``make jobs-test``; the full disk needs root, for a
tmpfs, and the database that goes away a PostgreSQL of Debian).

Every result is compared with what the library gives for the same table without a service: a row that is lost or there
twice, or a part of another job, would show.
"""

import argparse
import contextlib
import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil

from app.jobs.holder import is_gone
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import FORMATS, opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra
from tests.app.jobs.owner import JSON, PARQUET, table
from tests.reliability.postgresql import Cluster, find_postgresql
from tests.reliability.service import Service

_LAYERS = 6
"""Makes the tiny network about as slow as the dissertation's."""
_LEASE = 3.0
_OVER = {"COMPLETED", "ERROR", "ABORTED"}
SHIM = Path(__file__).parent / "clock"
"""Has a sitecustomize that sets a process's clock back by the seconds in the file named by a variable."""


class Jobs:
    """Jobs in a service, and their expected results.

    Parameters
    ----------
    service : Service
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.sent: dict[str, bytes] = {}
        """Tables by job."""
        self.not_accepted = 0
        self._expected: dict[bytes, bytes] = {}

    def send(self, content: bytes, **parameters: str) -> str:
        """Send a table as a job that is to run."""
        while True:
            reply = httpx.post(
                f"{self.service.url}/jobs",
                params={"phase": "RUN", "format": "csv", **parameters},
                content=content,
                headers={**JSON, "Content-Type": PARQUET},
                timeout=120,
            )
            if reply.status_code != 503:
                break
            self.not_accepted += 1
            time.sleep(float(reply.headers["retry-after"]))
        reply.raise_for_status()
        job = str(reply.json()["job_id"])
        self.sent[job] = content
        return job

    def look(self, job: str) -> dict[str, Any]:
        """Return a job."""
        found: dict[str, Any] = httpx.get(f"{self.service.url}/jobs/{job}", headers=JSON, timeout=30).json()
        return found

    def phases(self) -> Counter[str]:
        """Return how many jobs are in each phase."""
        found = httpx.get(f"{self.service.url}/jobs", headers=JSON, timeout=60).json()["jobs"]
        return Counter(job["phase"] for job in found)

    def wait(self, seconds: float) -> None:
        """Wait until all jobs are over."""
        deadline = time.monotonic() + seconds
        while any(phase not in _OVER for phase in self.phases()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.phases()}\n{self.service.log.read_text()[-3000:]}")
            time.sleep(0.3)

    def judge(self) -> dict[str, int]:
        """Return how many jobs were accepted, and their results."""
        counts: Counter[str] = Counter(
            accepted=len(self.sent), sent_again=self.not_accepted, lost=0, wrong=0, completed=0
        )
        for job, content in self.sent.items():
            reply = httpx.get(f"{self.service.url}/jobs/{job}/results/result", timeout=60)
            if reply.status_code == 404:
                counts["lost"] += 1
            elif reply.status_code != 200:
                counts[f"without a result: {reply.json()['error']['message'][:80]}"] += 1
            elif reply.content != self._of(content):
                counts["wrong"] += 1
            else:
                counts["completed"] += 1
        return dict(counts)

    def _of(self, content: bytes) -> bytes:
        if content not in self._expected:
            self._expected[content] = predicted(content, self.service.models)
        return self._expected[content]


def predicted(content: bytes, models: Path) -> bytes:
    """Return a table with redshifts as CSV, by the library alone."""
    predictor = Predictor("tiny", models=models, engine="onnx", threads=1)
    asked = AnswerOptions()
    about = predictor.about(asked)
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as target:
        source.write(content)
        source.seek(0)
        with opened(source) as found:
            writer = FORMATS["csv"].writer(target, about)
            for batch in read_spectra(found, recognise(found), carry=True):
                writer.write(beside(batch.carried, predictor.predict(batch, asked), about))
            writer.close()
        target.seek(0)
        return target.read()


def workers_of(service: Service) -> list[psutil.Process]:
    """Return the processes that work on jobs, and those of the service's own that are children of it."""
    return [process for process in service.children() if process.is_running()]


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
    service = Service(folder, layers=_LAYERS, **_settings(folder, jobs_attempts=1000))
    done: list[int] = []
    counts: Counter[str] = Counter()
    service.__enter__()
    try:
        jobs = Jobs(service)
        jobs.send(table(rows))
        last = 0
        for _ in range(number):
            if all(phase in _OVER for phase in jobs.phases()):
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
        jobs.wait(600)
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
        return sum(token for token, _ in _leases(folder)) > before or set(jobs.phases()) <= _OVER

    _until(true, 60, jobs.service)
    return sum(token for token, _ in _leases(folder))


def _is_worked_on(folder: Path) -> bool:
    return any(holder and not is_gone(holder) for _, holder in _leases(folder))


def _settings(folder: Path, **more: Any) -> dict[str, Any]:
    return {"jobs_folder": folder / "jobs", "jobs_lease_seconds": _LEASE, "threads": 1, "jobs_nice": 0, **more}


def disk_full(folder: Path) -> dict[str, Any]:
    """Fill the disk in the middle of a job, and free space later."""
    room = folder / "disk"
    room.mkdir()
    with _tmpfs(room, "14m"):
        settings = _settings(folder, jobs_folder=room / "jobs", jobs_min_free_bytes=0)
        with Service(folder, layers=0, **settings) as service:
            jobs = Jobs(service)
            job = jobs.send(table(12_000))  # 9 MB of table, and 9 MB of spectra
            _until(lambda: re.search(rb"waits: |waiting for", service.log.read_bytes()) is not None, 60, service)
            stopped = jobs.look(job)
            assert stopped.get("phase") == "EXECUTING", stopped
            subprocess.run(["mount", "-o", "remount,size=200m", str(room)], check=True)
            jobs.wait(120)
            return {"rows done when it was full": stopped["progress"]["rows_done"], **jobs.judge()}


@contextlib.contextmanager
def _tmpfs(place: Path, size: str) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def _until(true: Callable[[], bool], seconds: float, service: Service) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(service.log.read_text()[-3000:])
        time.sleep(0.1)


def database_locked(folder: Path, seconds: float = 60) -> dict[str, Any]:
    """Lock the database by another program for a minute in the middle of a job."""
    with Service(folder, layers=_LAYERS, **_settings(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(40_000))
        _until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, 60, service)
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
        jobs.wait(300)
        return {**answers, **jobs.judge()}


def database_gone(folder: Path, seconds: float = 60) -> dict[str, Any]:
    """Stop PostgreSQL for a minute in the middle of a job."""
    binaries = find_postgresql()
    if binaries is None:
        return {"skipped": "no PostgreSQL: apt-get install postgresql"}
    with Cluster(folder / "postgresql", binaries) as cluster:
        settings = _settings(folder, jobs_database=cluster.url, jobs_workers=2)
        with Service(folder, layers=_LAYERS, **settings) as service:
            jobs = Jobs(service)
            job = jobs.send(table(40_000))
            _until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, 60, service)
            cluster.stop()
            began = time.monotonic()
            answers: Counter[str] = Counter()
            while time.monotonic() - began < seconds:
                answers[f"a job's state: {httpx.get(f'{service.url}/jobs/{job}', timeout=60).status_code}"] += 1
                answers[f"/health/ready: {httpx.get(f'{service.url}/health/ready', timeout=60).status_code}"] += 1
                time.sleep(0.5)
            cluster.start()
            jobs.wait(300)
            return {**answers, **jobs.judge()}


def clock_set_back(folder: Path) -> dict[str, Any]:
    """Set the clock back by a day in the middle of a job, and kill its worker then; two days forward, and again."""
    offset = folder / "offset"
    offset.write_text("0")
    shim = {"PYTHONPATH": f"{SHIM}{os.pathsep}{os.environ.get('PYTHONPATH', '')}", "CLOCK_OFFSET": str(offset)}
    with Service(folder, layers=_LAYERS, environment=shim, **_settings(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(60_000))
        for seconds in (-86_400, 2 * 86_400):
            before = jobs.look(job)["progress"]["rows_done"]
            _until(lambda: jobs.look(job)["progress"]["rows_done"] > before, 60, service)  # noqa: B023 - at once
            offset.write_text(str(seconds))
            for process in workers_of(service):
                process.kill()
        jobs.send(table(20))
        jobs.wait(300)
        ended = jobs.look(job)
        return {"it seemed to take": f"{ended['start_time']} to {ended['end_time']}", **jobs.judge()}


def thousand_jobs(folder: Path, number: int = 1000) -> dict[str, Any]:
    """Send a thousand jobs from eight clients to two services on one database, and kill their workers meanwhile."""
    contents = [table(50, seed=seed) for seed in range(10)]
    settings = _settings(folder, jobs_workers=2, jobs_per_owner=2 * number)
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
        jobs.wait(600)
        seconds = round(time.monotonic() - began, 1)
        return {"accepted in s": round(accepted, 1), "all over after s": seconds, "killed": killed, **jobs.judge()}


def worker_hangs(folder: Path) -> dict[str, Any]:
    """Stop a worker in the middle of a job (SIGSTOP), and continue it when another has the job."""
    with Service(folder, layers=_LAYERS, **_settings(folder, jobs_workers=2)) as service:
        jobs = Jobs(service)
        job = jobs.send(table(60_000))
        _until(lambda: jobs.look(job)["progress"]["rows_done"] > 0, 60, service)
        busy = max(workers_of(service), key=lambda process: sum(process.cpu_times()[:2]))
        busy.suspend()
        stopped = jobs.look(job)["progress"]["rows_done"]
        _until(lambda: jobs.look(job)["progress"]["rows_done"] > stopped + 4096, 60, service)
        with contextlib.suppress(psutil.NoSuchProcess):
            busy.resume()
        jobs.wait(300)
        replaced = b"hangs" in service.log.read_bytes() or not busy.is_running()
        return {"the one that hung was replaced": replaced, **jobs.judge()}


SCENES: dict[str, Callable[[Path], dict[str, Any]]] = {
    "disk full in the middle": disk_full,
    "database locked for a minute": database_locked,
    "database gone for a minute": database_gone,
    "clock set back a day, then two days forward": clock_set_back,
    "1,000 jobs, two services": thousand_jobs,
    "a worker that hangs": worker_hangs,
}


def main() -> None:
    """Run all tests, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    found: dict[str, Any] = {}
    scenes = {f"kill -9, {given.kills} times": lambda folder: kills(folder, given.kills), **SCENES}
    for name, scene in scenes.items():
        if given.only not in name:
            continue
        with tempfile.TemporaryDirectory(prefix="jobs-") as folder:
            began = time.monotonic()
            seen = scene(Path(folder))
            found[name] = {**seen, "seconds": round(time.monotonic() - began, 1)}
            print(name, json.dumps(found[name]), flush=True)  # noqa: T201 - a command
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    bad = [name for name, seen in found.items() if seen.get("completed") != seen.get("accepted")]
    sys.exit(f"not all came right: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
