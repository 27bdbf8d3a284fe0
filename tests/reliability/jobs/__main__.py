"""What can happen to jobs: are any lost, or done twice?

``python -m tests.reliability.jobs --kills 50 --out jobs.json`` (``make jobs-test``; the full disk needs root, for a
tmpfs, and the database that goes away a PostgreSQL of Debian).

Every result is compared with what the library gives for the same table without a service: a row that is lost or there
twice, or a part of another job, would show.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.reliability.jobs.kills import kills, thousand_jobs, worker_hangs
from tests.reliability.jobs.surroundings import clock_set_back, database_gone, database_locked, disk_full

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
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(found, indent=1) + "\n")
    bad = [name for name, seen in found.items() if seen.get("completed") != seen.get("accepted")]
    sys.exit(f"not all came right: {', '.join(bad)}" if bad else 0)


if __name__ == "__main__":
    main()
