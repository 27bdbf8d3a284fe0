"""The command by which a container says how it is."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "container" / "healthcheck.py"


class Service(BaseHTTPRequestHandler):
    """Answers /health/ready with the server's status."""

    def do_GET(self) -> None:
        ready = self.path == "/health/ready"
        self.send_response(self.server.status if ready else 404)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def service() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def check(port: int | str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GAIA_REDSHIFT_PORT": str(port)}
    command = [sys.executable, SCRIPT]
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1), (404, 1), (500, 1)])
def test_a_container_is_healthy_exactly_while_its_service_is_ready(service: HTTPServer, status: int, code: int) -> None:
    service.status = status  # type: ignore[attr-defined]
    assert check(service.server_port).returncode == code


def test_a_container_where_nothing_listens_is_unhealthy_and_says_so_in_one_line(service: HTTPServer) -> None:
    service.shutdown()
    service.server_close()
    done = check(service.server_port)
    assert done.returncode == 1
    assert done.stderr.startswith("no answer: ")
    assert done.stderr.count("\n") == 1
