"""More work than can be done: only 200 and 429, a bounded wait for who is accepted, and bounded memory.

``python -m tests.reliability.overload --out overload.json`` (``make reliability``). Requests arrive at random times,
whether or not earlier ones were answered, at multiples of the measured capacity; with ``--attackers``, hostile clients
do their worst beside them.
"""

import argparse
import asyncio
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from tests.reliability.service import Service
from tests.reliability.wire import REAL, Answers, Connection, Question, json_question, shipped_redshift
from tests.security.hostile import Target
from tests.tiny import tiny_redshift

ROWS = 50
QUEUED_ROWS = 2000
_LAYERS = 8
"""About as many multiplications as the dissertation's network has."""


async def measure_capacity(service: Service, questions: list[Question], seconds: float) -> float:
    """Return the requests per second of eight clients that each wait for the answer."""
    done = 0
    end = time.monotonic() + seconds

    async def client(number: int) -> None:
        nonlocal done
        async with Connection(service.port) as connection:
            while time.monotonic() < end:
                await connection.send(questions[number].request)
                done += 1

    await asyncio.gather(*(client(number) for number in range(8)))
    return done / seconds


async def offer(service: Service, questions: list[Question], rate: float, seconds: float) -> dict[str, Any]:
    """Send requests at a rate and return the results."""
    chance = random.Random(1)  # noqa: S311 - arrival times, not secrets
    outcomes: Counter[str] = Counter()
    waits, promises, memory = [], [], []
    idle: list[Connection] = []
    worker = service.workers()[0]

    async def one(question: Question) -> None:
        connection = idle.pop() if idle else Connection(service.port)
        started = time.monotonic()
        try:
            answer = await connection.send(question.request)
        except (OSError, EOFError) as error:
            outcomes[type(error).__name__] += 1
            return
        idle.append(connection)
        outcomes[str(answer.status)] += 1
        if answer.status == 200:
            waits.append(time.monotonic() - started)
            if not question.fits(answer):
                outcomes["wrong"] += 1
        elif "retry-after" in answer.headers:
            promises.append(int(answer.headers["retry-after"]))

    tasks = []
    start = time.monotonic()
    due = start
    while due - start < seconds:
        due += chance.expovariate(rate)
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        tasks.append(asyncio.create_task(one(chance.choice(questions))))
        if len(tasks) % 20 == 0:
            memory.append(worker.memory_info().rss / 2**20)
    await asyncio.gather(*tasks)
    elapsed = time.monotonic() - start
    for connection in idle:
        await connection.__aexit__()
    return {
        "offered_per_s": len(tasks) / seconds,
        "outcomes": dict(outcomes),
        "answered_rows_per_s": outcomes["200"] * ROWS / elapsed,
        "wait_s": {f"p{p}": round(float(np.percentile(waits, p)), 3) for p in (50, 90, 99)},
        "retry_after_s": sorted(set(promises)),
        "rss_mb": [round(min(memory)), round(max(memory))],
    }


async def offer_among(target: Target, questions: list[Question], rate: float, options: argparse.Namespace) -> Any:
    """Offer a load during attacks, while another process requests ``/health/live``."""
    command = [sys.executable, "-m", "tests.reliability.attacks", str(target.port)]
    attackers = [
        await asyncio.create_subprocess_exec(*command, str(seed), str(round(options.seconds)), stdout=subprocess.PIPE)
        for seed in range(options.attackers)
    ]
    with target.polled() as seen:
        load = await offer(target, questions, rate, options.seconds)
        printed = [await attacker.communicate() for attacker in attackers]
    load["attacks"] = sum(int(out) for out, _ in printed)
    load["longest_silence_s"] = {"as_seen": round(seen["silence"], 3), "own": round(seen["stall"], 3)}
    load["mb_above_rest"] = round(seen["megabytes"] - target.at_rest)
    load["health_failure"] = seen["failure"]
    return load


async def run(target: Target, answers: Answers, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the capacity and offer multiples of it."""
    questions = [json_question(ROWS, seed, answers) for seed in range(16)]
    await measure_capacity(target, questions, 2)
    capacity = await measure_capacity(target, questions, options.seconds / 2)
    loads = []
    for times in options.times:
        load = await offer_among(target, questions, times * capacity, options)
        loads.append({"times": times, **load})
        print(json.dumps(loads[-1]))  # noqa: T201 - what this command is for
    return {
        "rows_per_request": ROWS,
        "queued_rows": QUEUED_ROWS,
        "capacity_rows_per_s": capacity * ROWS,
        "loads": loads,
    }


def main() -> None:
    """Overload the service, write the results, and fail if a status is neither 200 nor 429."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="time for each load")
    parser.add_argument("--times", type=float, nargs="+", default=[0.5, 1, 2, 5, 10], help="of the capacity")
    parser.add_argument("--attackers", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="the shipped model in place of a tiny one that is as slow")
    parser.add_argument("--out", type=Path, default=Path("overload.json"))
    options = parser.parse_args()
    limits: dict[str, Any] = {"threads": 1, "max_queued_rows": QUEUED_ROWS, "log_level": "warning"}
    limits |= REAL if options.real else {}
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    answers: Answers = shipped_redshift if options.real else tiny_redshift
    with tempfile.TemporaryDirectory() as folder, Target(Path(folder), layers=_LAYERS, **limits) as target:
        results = asyncio.run(run(target, answers, options))
        results["exit_code"] = target.stop()
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")
    bad = {name for load in results["loads"] for name in load["outcomes"]} - {"200", "429"}
    bad |= {load["health_failure"] for load in results["loads"] if load["health_failure"]}
    if bad or results["exit_code"]:
        raise SystemExit(f"overload brought {bad or 'another exit code than 0'}")


if __name__ == "__main__":
    main()
