"""A real server process with the shipped model, and spectra to send to it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gaia_redshift.spectra import DR3, FloatArray
from tests.reliability.service import free_port, is_ready
from tests.tiny import SHIPPED

Start = Callable[..., AbstractContextManager["Server"]]


@dataclass(frozen=True, slots=True)
class Server:
    """A running service."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _start(log: Path, **settings: str) -> Iterator[Server]:
    port = free_port()
    environment = {**os.environ, **{f"GAIA_REDSHIFT_{name.upper()}": value for name, value in settings.items()}}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # which TensorFlow sets in this process
    began = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "gaia_redshift.commands.main",
                "serve",
                "--port",
                str(port),
                "--models",
                str(SHIPPED),
            ],
            env=environment,
            stdout=output,
            stderr=output,
        )
    url = f"http://127.0.0.1:{port}"
    try:
        while not is_ready(url):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() - began < 90, log.read_text()
            time.sleep(0.05)
        yield Server(url, process, log)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Return a starter of the service: settings as keywords."""
    return lambda **settings: _start(tmp_path_factory.mktemp("server") / "log", **settings)


@pytest.fixture(scope="session")
def server(start: Start) -> Iterator[Server]:
    """Return the service with the shipped model on ONNX Runtime."""
    with start(engine="onnx") as running:
        yield running


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> FloatArray:
    """Return 1,000 simulated galaxies, shape (1000, 186)."""
    import pyarrow.parquet

    path = tmp_path_factory.mktemp("simulated") / "galaxies.parquet"
    command = [
        sys.executable,
        "-m",
        "gaia_redshift.commands.main",
        "simulate",
        "-n",
        "1000",
        "--seed",
        "5",
        "-o",
        str(path),
    ]
    subprocess.run(command, check=True, capture_output=True)
    column = pyarrow.parquet.read_table(path, columns=["flux"])["flux"].combine_chunks()
    flux: FloatArray = column.flatten().to_numpy().reshape(-1, DR3.samples)
    return flux
