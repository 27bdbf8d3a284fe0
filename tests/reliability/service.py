"""A real service in processes of its own, as an operator starts it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

import psutil

from tests.tiny import write_tiny_bundle
from tests.waiting import PATIENCE, wait_until


def free_port() -> int:
    """Return a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_ready(url: str) -> bool:
    """Return whether a service predicts; each new client of httpx would take 50 ms of a processor."""
    try:
        with urlopen(f"{url}/health/ready", timeout=10):  # noqa: S310 - our own address
            return True
    except OSError:
        return False


class Service:
    """``gaia-redshift serve`` around a tiny bundle; use it as a context manager.

    Parameters
    ----------
    folder : Path
        Where the bundle and the log go.
    layers : int
        Makes the tiny network as slow as a real one; see `write_tiny_bundle`.
    environment : dict, optional
        More variables.
    surroundings : mapping, optional
        All other variables; those of this process if not given.
    prefix : sequence of str
        Words before the command, such as a tracer.
    settings : settings by name
        As in the environment, without the prefix.
    """

    def __init__(
        self,
        folder: Path,
        *,
        layers: int = 0,
        environment: dict[str, str] | None = None,
        surroundings: Mapping[str, str] = os.environ,
        prefix: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        self.folder = folder
        self.models = folder / "models"
        if not self.models.exists():
            write_tiny_bundle(self.models / "tiny", layers=layers)
        self.port = free_port()
        given = {"models": self.models, "default_model": "tiny", "engine": "onnx", "port": self.port, **settings}
        texts = {
            name: value if isinstance(value, str) else json.dumps(value, default=str) for name, value in given.items()
        }
        self._environment = {f"GAIA_REDSHIFT_{name.upper()}": text.strip('"') for name, text in texts.items()}
        self._environment = {**surroundings, **self._environment, **(environment or {})}
        self._prefix = prefix
        self.log = folder / "service.log"

    def __enter__(self) -> Self:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self._prefix, sys.executable, "-m", "gaia_redshift", "serve"],
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            self.wait_until_ready()
        except BaseException:  # also an interruption: nobody else would end the process
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """End the process and its workers, whatever they do."""
        if self.process.poll() is None and "COVERAGE_PROCESS_CONFIG" in os.environ:
            self.process.terminate()  # a killed process writes no coverage
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        self.process.kill()
        for process in self.children():
            process.kill()
        self.process.wait(60)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def wait_until_ready(self, seconds: float = 120) -> None:
        """Return when it predicts; raise with its log if it does not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.process.poll() is None:
            if is_ready(self.url):
                return
            time.sleep(0.05)
        raise RuntimeError(f"the service is not ready:\n{self.log.read_text()}")

    def get(self, path: str) -> str:
        """Return what a path answers."""
        with urlopen(f"{self.url}{path}", timeout=PATIENCE) as answer:  # noqa: S310 - our own address
            text: str = answer.read().decode()
            return text

    def children(self) -> list[psutil.Process]:
        """Return the worker processes, if there are any besides the one that was started."""
        try:
            below = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [process for process in below if _is_worker(process)]

    def wait_for_workers(self, count: int, *, besides: int = 0, seconds: float = 90) -> None:
        """Return when as many workers run, besides one that was killed; raise with the log if they do not."""
        wait_until(
            lambda: len({process.pid for process in self.children()} - {besides}) >= count,
            f"{count} workers run",
            seconds,
            log=self.log.read_text,
        )

    def workers(self) -> list[psutil.Process]:
        """Return the processes that serve."""
        return self.children() or [psutil.Process(self.process.pid)]

    def stop(self, sig: signal.Signals = signal.SIGTERM, seconds: float = 90) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(sig)
        return self.process.wait(seconds)

    def lines(self) -> list[dict[str, Any]]:
        """Return the log, one object a line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # gone, or dead and not yet collected
        return False
