"""The overlay that closes the way out: nothing gets out of the container, and this machine gets in."""

import time
from urllib.error import URLError
from urllib.request import urlopen

from tests.container.engine import PROJECT, Engine
from tests.container.report import expect

FILES = ("-f", "docker-compose.yml", "-f", "deploy/compose-closed-podman.yml")
_PROJECT = f"{PROJECT}-closed"
NETWORK = "gaia-redshift-closed"
"""As the overlay calls it."""
_PATIENCE_S = 60.0
_CONNECT = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), 10)
except OSError as error:
    print(type(error).__name__, error.errno)
"""
"""Connects to an address that is not in use (RFC 5737): a packet that left would time out."""


def closed(engine: Engine, env: dict[str, str]) -> str:
    """Bring the service up with the way out closed, ask it, and try to get out."""
    engine.compose(*FILES, "up", "-d", "redshift", env=env, project=_PROJECT)
    try:
        container = engine.container("redshift", _PROJECT)
        url = f"http://{container.address()}:8000/health/ready"
        _wait_for(url)
        found = container.python(_CONNECT)
        expect(found == "OSError 101", f"a connection to elsewhere: {found or 'it is there'}, not 'no way there'")
        return f"{url} answers, a connection to elsewhere has no way"
    finally:
        engine.compose(*FILES, "down", env=env, project=_PROJECT)
        engine.remove_network(NETWORK)


def _wait_for(url: str) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            with urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (URLError, OSError):
            expect(time.monotonic() < end, f"{url} does not answer")
            time.sleep(0.1)
