"""Starting a server in its own process, waiting for it, measuring its memory, stopping it."""

import os
import platform
import re
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from gaia_redshift.engine import available_cores

JSON = "application/json"


def machine() -> str:
    """Return one line about this machine, to be shown with timings."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    name = model[1] if model else platform.processor()
    return f"{name}, {available_cores()} cores, Python {platform.python_version()}"


def free_port() -> int:
    """Return the first of three neighbouring free ports (MLServer takes three)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port if port < 65_000 else free_port()


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that answers."""

    url: str
    process: psutil.Popen
    seconds: float
    """From the start of its process to its first answer."""

    def tree(self) -> list[psutil.Process]:
        """Return its process and all below it."""
        return [self.process, *self.process.children(recursive=True)]

    def resident_mb(self) -> float:
        """Return the memory of its processes together, in MB; what they share is counted once (PSS)."""
        total = 0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / 1e6

    def processor_seconds(self) -> float:
        """Return the processor time that its processes have used."""
        total = 0.0
        for process in self.tree():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total


def answers(url: str, body: bytes, content_type: str = JSON) -> bool:
    """Return whether a request is answered with 200."""
    request = urllib.request.Request(url, body, {"Content-Type": content_type})  # noqa: S310 - our own address
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def serving(
    command: list[str],
    url: str,
    body: bytes,
    log: Path,
    *,
    content_type: str = JSON,
    seconds: float = 90,
    **environment: str,
) -> Iterator[Serving]:
    """Run a server until the block ends; it is ready when `body` is answered."""
    began = time.perf_counter()
    with log.open("wb") as output:
        process = psutil.Popen(
            command,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
            process_group=0,  # of its own, so that it ends with all its children
        )
    try:
        while not answers(url, body, content_type):
            if process.poll() is not None or time.perf_counter() - began > seconds:
                raise RuntimeError(f"{command[0]} does not answer; the end of {log}:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield Serving(url, process, time.perf_counter() - began)
    finally:
        _end(process)


def _end(process: psutil.Popen) -> None:
    tree = [process]
    with suppress(psutil.NoSuchProcess):
        tree += process.children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    _gone, alive = psutil.wait_procs(tree, timeout=5)
    for left in alive:
        with suppress(psutil.NoSuchProcess):
            left.kill()
    process.wait()
