"""What an operator's night brings, while clients go on asking: does it lose data, mix answers, or stay down?

``python -m tests.reliability.faults --out faults.json`` (``make reliability``; the full disk needs root, for a tmpfs).
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

from tests.reliability.service import Service
from tests.reliability.wire import Connection, csv_question, json_question, request
from tests.security.corpus import documents, tables
from tests.tiny import write_tiny_bundle

_CLIENTS = 6
Trouble = Callable[[Service], Awaitable[None]]


async def ask(service: Service, trouble: Trouble, *, retry: bool = True) -> dict[str, Any]:
    """Let clients send requests continuously during a fault, and return the results."""
    questions = [json_question(rows, rows) for rows in (1, 1, 1, 20, 100)] + [csv_question(50, 7)]
    counts: Counter[str] = Counter()
    waits: list[float] = []
    over = False

    async def client(number: int) -> None:
        async with Connection(service.port) as connection:
            while not over:
                question = questions[number % len(questions)]
                started = time.monotonic()
                try:
                    answer = await connection.send(question.request)
                except ConnectionRefusedError:
                    counts["not accepted any more"] += 1
                    if not retry:
                        return
                except (OSError, EOFError):
                    counts["connection lost"] += 1
                    if not retry:
                        return
                    await asyncio.sleep(0.02)
                    continue
                waits.append(time.monotonic() - started)
                right = answer.status == 200 and question.fits(answer)
                counts["answered" if right else f"answered wrongly or {answer.status}"] += 1

    clients = [asyncio.create_task(client(number)) for number in range(_CLIENTS)]
    await asyncio.sleep(1)
    await trouble(service)
    over = True
    await asyncio.gather(*clients)
    return {**counts, "p99_s": round(sorted(waits)[int(0.99 * len(waits))], 3)}


async def kill_workers(service: Service) -> None:
    """kill -9 one worker after the other."""
    for _ in range(8):
        await asyncio.to_thread(service.wait_for_workers, 2)
        os.kill(min(worker.pid for worker in service.children()), signal.SIGKILL)
        await asyncio.sleep(3)


async def reload_models(service: Service) -> None:
    """Replace the model by a new version twice a second."""
    for number in range(20):
        staged = write_tiny_bundle(service.folder / f"staged-{number}", version=f"2.0.{number}")
        for old in service.models.iterdir():
            old.rename(service.folder / f"old-{number}")
        staged.rename(service.models / f"tiny-{number}")
        service.process.send_signal(signal.SIGHUP)
        await asyncio.sleep(0.5)


async def slow_clients(service: Service) -> None:
    """Three hundred clients that send one byte per second, in headers or in bodies."""
    start = b"POST /predict HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n"
    ended: Counter[str] = Counter()

    async def slow(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        writer.write(start + (b"\r\n" if number % 2 else b""))
        answer = asyncio.create_task(reader.read(4096))
        while not answer.done():
            writer.write(b"a")
            await asyncio.wait([answer], timeout=1)
        with contextlib.suppress(OSError):
            ended[answer.result()[9:12].decode()] += 1
        writer.close()

    await asyncio.gather(*(slow(number) for number in range(300)))
    print("slow clients ended with", dict(ended))  # noqa: T201
    assert ended["408"] > 290, ended


async def leave(service: Service) -> None:
    """Clients that repeatedly send a large request and disconnect."""
    large = json_question(2000, 3).request
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", service.port)) as client:
            client.sendall(large)
        await asyncio.sleep(0.1)


async def terminate(service: Service) -> None:
    """SIGTERM during requests."""
    service.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(service.process.wait, 60)


async def hostile(service: Service) -> dict[str, int]:
    """Send all hostile inputs, and count the answers by status."""
    counts: Counter[str] = Counter()
    everything = [request("/predict", content) for _, content in documents()]
    everything += [request("/predict/csv", content, "text/csv") for _, content in tables()]
    everything += [request(path, b"x", "text/csv", Content_Encoding="gzip") for path in ("/predict", "/predict/csv")]
    for content in everything:
        async with Connection(service.port) as connection:
            counts[str((await connection.send(content)).status)] += 1
    return dict(counts)


@contextlib.contextmanager
def tiny_disk() -> Iterator[Path | None]:
    """Yield a folder on a disk of 2 MB, or None without the right to make one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


async def fill_disk(service: Service) -> dict[str, Any]:
    """Upload tables that fit the disk and tables that do not."""
    small, large, document = csv_question(20, 1), csv_question(3000, 2), json_question(2, 3)
    counts: Counter[str] = Counter()
    for question in (small, large, document, small, large, document, small):
        async with Connection(service.port) as connection:
            answer = await connection.send(question.request)
            size = "larger than the disk" if question is large else "small"
            code = "" if answer.status == 200 else f" {json.loads(answer.body)['error']['code']}"
            counts[f"{size}: {answer.status}{code}"] += 1
    return dict(counts)


def main() -> None:
    """Run every fault against its own service and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("faults.json"))
    options = parser.parse_args()
    results: dict[str, Any] = {}
    plan: list[tuple[str, Trouble, dict[str, Any], bool]] = [
        ("kill -9 of a worker, 8 times", kill_workers, {"workers": 2}, True),
        ("20 reloads in 10 s", reload_models, {"workers": 2}, True),
        ("300 slow clients", slow_clients, {"head_seconds": 4, "slow_seconds": 4}, True),
        ("60 clients that leave", leave, {}, True),
        ("SIGTERM", terminate, {"workers": 2}, False),
    ]
    for name, trouble, settings, retry in plan:
        with tempfile.TemporaryDirectory() as folder, Service(Path(folder), log_level="warning", **settings) as service:
            results[name] = asyncio.run(ask(service, trouble, retry=retry))
            code = service.process.poll()
            results[name]["exit_code"] = service.stop() if code is None else code
        print(name, results[name])  # noqa: T201
    with tempfile.TemporaryDirectory() as folder, Service(Path(folder), log_level="warning") as service:
        results["hostile inputs"] = asyncio.run(hostile(service))
        results["hostile inputs"]["exit_code"] = service.stop()
    print("hostile inputs", results["hostile inputs"])  # noqa: T201
    with tiny_disk() as disk, tempfile.TemporaryDirectory() as folder:
        if disk is not None:
            with Service(Path(folder), environment={"TMPDIR": str(disk)}, log_level="warning") as service:
                results["disk full"] = asyncio.run(fill_disk(service))
                results["disk full"]["exit_code"] = service.stop()
            print("disk full", results["disk full"])  # noqa: T201
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
