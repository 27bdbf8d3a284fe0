"""SIGTERM while a request is in flight, and the start that follows."""

import csv
import io
import threading
import time

from tests.container.engine import Container
from tests.container.report import expect
from tests.container.service import Reply, ask, is_ready, large_table, wait_until_ready

BUSY_S = 6.0
"""Duration of the running request: long enough to be caught, short compared with any grace period."""

START_LIMIT_S = 2.0


def drain(container: Container, port: int) -> str:
    """Stop the container while it works: the request is answered whole, and the process ends with 0."""
    table = large_table(port, BUSY_S)
    replies: list[Reply] = []

    def send() -> None:
        replies.append(ask(port, "POST", "/predict/csv", table, Content_Type="text/csv", Accept="text/csv"))

    sender = threading.Thread(target=send)
    sender.start()
    time.sleep(BUSY_S / 3)
    expect(not replies, "the request was answered before SIGTERM could be sent")
    began = time.monotonic()
    stopper = threading.Thread(target=container.stop, args=(120,))
    stopper.start()
    sender.join()
    answered = time.monotonic() - began
    stopper.join()
    stopped = time.monotonic() - began
    expect(replies, "the request in flight was cut off")
    (reply,) = replies
    expect(reply.status == 200, f"the request in flight got {reply.status} {reply.body[:200]!r}")
    rows = list(csv.DictReader(io.StringIO(reply.body.decode())))
    expect(len(rows) == table.count(b"\n") - 1, f"{len(rows)} rows came back")
    expect({row["status"] for row in rows} == {"ok"}, "not every row is ok")
    expect(not is_ready(port), "still ready after SIGTERM")
    code = container.inspect()["State"]["ExitCode"]
    expect(code == 0, f"exit code {code}")
    return f"{len(rows)} rows answered {answered:.1f} s after SIGTERM, ended {stopped:.1f} s after it with 0"


def start(container: Container, port: int) -> str:
    """Start the container again and measure until it can predict: the best of three, since the machine may be busy."""
    found = []
    for _ in range(3):
        container.stop(30)
        starter = threading.Thread(target=container.start)
        starter.start()
        ready = wait_until_ready(port)
        starter.join()
        found.append(ready - container.started_at())
    best = min(found)
    expect(best < START_LIMIT_S, f"{best:.2f} s, more than {START_LIMIT_S:g}")
    return f"{best:.2f} s (at most {START_LIMIT_S:g}; all: {', '.join(f'{seconds:.2f}' for seconds in found)})"
