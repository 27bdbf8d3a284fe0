"""Ask a server whether it lives, again and again, from each line of standard input to the next.

After the second, print what was seen, as JSON, and wait for the next first one.

A process of its own, and nothing but the standard library: what is measured is the server and not the test beside it.
Two numbers are measured for each answer, and the largest of each is printed:

- ``silence``: the seconds until the answer, as a client sees them;
- ``stall``: the part of them that is the server's own, which the tests limit. It leaves out the time for which the
  server's event loop was ready and no processor was free, and is no more than the processor time that the server took
  meanwhile: where other work has the processors, it is the machine that is late. On a machine without other work both
  are the same. A server that sleeps when it should answer, or waits for a disk, would show in ``silence`` alone.
"""

import http.client
import json
import os
import queue
import sys
import threading
import time
from pathlib import Path

_PAUSE = 0.02


def resident_megabytes(pids: list[int]) -> float:
    """Return the memory of these processes together; one that is gone has none."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("VmRSS")), 0)
    return total / 1024


def processor_seconds(pids: list[int]) -> float:
    """Return the processor time that these processes have taken, all their threads together."""
    ticks = 0
    for pid in pids:
        try:
            ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        except OSError:
            continue
    return ticks / os.sysconf("SC_CLK_TCK")


def queued_seconds(pids: list[int]) -> float:
    """Return how long the main threads of these processes have waited for a processor."""
    nanoseconds = 0
    for pid in pids:
        try:
            nanoseconds += int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1])
        except OSError:
            continue
    return nanoseconds / 1e9


def ask(port: int) -> None:
    """Ask once, on a new connection; raises what goes wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/health/live")
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            raise ConnectionError(f"/health/live answered {answer.status}")
    finally:
        connection.close()


def main() -> None:
    """Poll the port of the first argument; watch the memory of the processes of the others."""
    port, *pids = map(int, sys.argv[1:])
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        while True:
            lines.put(sys.stdin.readline())

    threading.Thread(target=read, daemon=True).start()
    while lines.get():
        print("watching", flush=True)  # noqa: T201 - the answer
        print(json.dumps(watch(port, pids, lines)), flush=True)  # noqa: T201 - the result


def watch(port: int, pids: list[int], lines: "queue.SimpleQueue[str]") -> dict[str, float | str | None]:
    """Poll until there is a line."""
    seen: dict[str, float | str | None] = {"stall": 0.0, "silence": 0.0, "megabytes": 0.0, "polls": 0, "failure": None}
    while True:
        started, busy, queued = time.perf_counter(), processor_seconds(pids), queued_seconds(pids)
        try:
            ask(port)
        except (OSError, http.client.HTTPException) as error:
            seen["failure"] = repr(error)
        seen["polls"] = int(seen["polls"] or 0) + 1
        silence = time.perf_counter() - started
        own = min(silence - (queued_seconds(pids) - queued), processor_seconds(pids) - busy + 0.02)
        seen["silence"] = max(float(seen["silence"] or 0), silence)
        seen["stall"] = max(float(seen["stall"] or 0), own)
        seen["megabytes"] = max(float(seen["megabytes"] or 0), resident_megabytes(pids))
        try:
            lines.get(timeout=_PAUSE)
        except queue.Empty:
            continue
        return seen


if __name__ == "__main__":
    main()
