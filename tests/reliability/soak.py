"""Hours of mixed traffic against two workers: does anything grow, does anything get lost?

``python -m tests.reliability.soak --minutes 60 --out soak.json`` (``make soak``). Good requests of all kinds, bad ones,
clients that leave half-way, attacks, and a reload every minute; every answer is checked, ``/health/live`` is asked all
the time, and with ``--real`` the model is the shipped one. Writes what was counted, and the memory and descriptors of
each worker every few seconds.
"""

import argparse
import asyncio
import json
import random
import signal
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.reliability.attacks import attack
from tests.reliability.service import Service
from tests.reliability.wire import (
    BAD,
    REAL,
    Answers,
    Connection,
    Question,
    csv_question,
    json_question,
    leave_early,
    shipped_redshift,
)
from tests.tiny import SHIPPED, tiny_redshift, write_tiny_bundle

_CLIENTS = 8
_WARM_UP = 0.2
"""Initial fraction of the time that the slopes leave out, while allocators and caches fill."""


class Soak:
    """The traffic and its results."""

    def __init__(self, service: Service, pause: float, attackers: int, answers: Answers) -> None:
        self.service, self.pause, self.attackers = service, pause, attackers
        self.silence = 0.0
        """The longest that ``/health/live`` took."""
        self.counts: Counter[str] = Counter()
        self.samples: list[dict[str, Any]] = []
        sizes = [*[1] * 20, 10, 100, 500]
        self.questions: list[Question] = [json_question(rows, seed, answers) for seed, rows in enumerate(sizes)]
        self.questions += [csv_question(rows, 100 + rows, answers) for rows in (1, 20, 300, 2000)]

    async def client(self, seed: int, end: float) -> None:
        """Send one request after the other."""
        chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
        async with Connection(self.service.port) as connection:
            while time.monotonic() < end:
                await asyncio.sleep(chance.expovariate(1 / self.pause))
                question = chance.choice(self.questions)
                kind = chance.random()
                try:
                    if kind < 0.03:
                        await leave_early(self.service.port, question, chance)
                        self.counts["left early"] += 1
                    elif kind < 0.1:
                        answer = await connection.send(chance.choice(BAD))
                        self.counts["bad refused" if 400 <= answer.status < 500 else f"bad: {answer.status}"] += 1
                    else:
                        answer = await connection.send(question.request)
                        right = answer.status == 200 and question.fits(answer)
                        self.counts["good answered" if right else f"good: {answer.status}, wrong or refused"] += 1
                        self.counts["spectra"] += len(question.redshift)
                except (OSError, EOFError) as error:
                    self.counts[f"lost: {type(error).__name__}"] += 1

    async def watch(self, end: float, every: float) -> None:
        """Sample memory and descriptors; reload the models once a minute."""
        start = time.monotonic()
        reloaded = start
        while time.monotonic() < end:
            for number, worker in enumerate(sorted(self.service.workers(), key=lambda process: process.pid)):
                with worker.oneshot():
                    sample = {
                        "rss": worker.memory_info().rss,
                        "descriptors": worker.num_fds(),
                        "threads": worker.num_threads(),
                    }
                self.samples.append({"seconds": time.monotonic() - start, "worker": number, **sample})
            if time.monotonic() - reloaded > 60:
                reloaded = time.monotonic()
                self.counts["reloads"] += 1
                await asyncio.to_thread(self.release, self.counts["reloads"])
                self.service.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(every)

    async def listen(self, end: float) -> None:
        """Request ``/health/live`` continuously."""
        while time.monotonic() < end:
            started = time.monotonic()
            try:
                async with Connection(self.service.port) as connection:
                    answer = await connection.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
                if answer.status != 200:
                    self.counts[f"lost: live {answer.status}"] += 1
            except (OSError, EOFError) as error:
                self.counts[f"lost: live {type(error).__name__}"] += 1
            self.silence = max(self.silence, time.monotonic() - started)
            await asyncio.sleep(0.1)

    def release(self, number: int) -> None:
        """Replace the model by a new version during requests."""
        if self.service.models == SHIPPED:
            return
        staged = write_tiny_bundle(self.service.folder / f"staged-{number}", version=f"2.0.{number}")
        for old in self.service.models.iterdir():
            old.rename(self.service.folder / f"old-{number}")
        staged.rename(self.service.models / f"tiny-{number}")

    async def run(self, seconds: float) -> None:
        """Run clients, attackers and watch side by side."""
        end = time.monotonic() + seconds
        clients = (self.client(seed, end) for seed in range(_CLIENTS))
        attacks = (attack(self.service.port, seed, lambda: time.monotonic() > end) for seed in range(self.attackers))
        done = await asyncio.gather(*attacks, *clients, self.watch(end, min(10.0, seconds / 50)), self.listen(end))
        self.counts["attacks"] = sum(count for count in done if count)


def slopes(samples: list[dict[str, Any]], name: str) -> list[float]:
    """Return the growth per hour of each worker, by a straight line through the samples after the warm-up."""
    end = max(sample["seconds"] for sample in samples)
    late = [sample for sample in samples if sample["seconds"] > _WARM_UP * end]
    found = []
    for worker in sorted({sample["worker"] for sample in late}):
        mine = [sample for sample in late if sample["worker"] == worker]
        found.append(float(np.polyfit([s["seconds"] / 3600 for s in mine], [s[name] for s in mine], 1)[0]))
    return found


def total_mb(samples: list[dict[str, Any]]) -> list[float]:
    """Return the memory of all workers together, sample by sample."""
    totals: dict[float, float] = {}
    for sample in samples:
        moment = round(sample["seconds"], 1)
        totals[moment] = totals.get(moment, 0.0) + sample["rss"] / 2**20
    return list(totals.values())


def main() -> None:
    """Run the soak test, write the results, and fail if memory grew or a request was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--pause", type=float, default=0.05, help="mean seconds between the requests of one client")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--attackers", type=int, default=2)
    parser.add_argument("--real", action="store_true", help="the shipped model in place of a tiny one")
    parser.add_argument("--out", type=Path, default=Path("soak.json"))
    options = parser.parse_args()
    real = REAL if options.real else {}
    answers: Answers = shipped_redshift if options.real else tiny_redshift
    with (
        tempfile.TemporaryDirectory() as folder,
        Service(Path(folder), workers=options.workers, **real) as service,
    ):
        soak = Soak(service, options.pause, options.attackers, answers)
        if options.real:
            service.models = SHIPPED
        at_rest = sum(worker.memory_info().rss for worker in service.workers()) / 2**20
        before = [worker.pid for worker in service.workers()]
        asyncio.run(soak.run(60 * options.minutes))
        same = before == [worker.pid for worker in service.workers()]
        exit_code = service.stop()
        lines = service.lines()
        levels = Counter(line.get("level") for line in lines)
        warned = Counter(str(line.get("event"))[:200] for line in lines if line.get("level") not in {"info", "debug"})
    results = {
        "minutes": options.minutes,
        "machine": f"{psutil.cpu_count()} cores",
        "counts": dict(soak.counts),
        "log_lines": {level: count for level, count in levels.items() if level},
        "warnings": dict(warned.most_common(20)),
        "same_workers": same,
        "exit_code": exit_code,
        "longest_silence_seconds": round(soak.silence, 3),
        "most_mb_above_start": round(max(total_mb(soak.samples)) - at_rest, 1),
        "rss_mb_per_hour": [round(slope / 2**20, 3) for slope in slopes(soak.samples, "rss")],
        "descriptors_per_hour": [round(slope, 3) for slope in slopes(soak.samples, "descriptors")],
    }
    options.out.write_text(json.dumps({**results, "samples": soak.samples}))
    print(json.dumps(results, indent=1))  # noqa: T201 - what this command is for
    failed = [name for name in soak.counts if name.startswith(("lost", "good:", "bad:"))]
    if failed or not same or exit_code:
        raise SystemExit(f"soak failed: {failed or 'a worker died or the exit code is not 0'}")


if __name__ == "__main__":
    main()
