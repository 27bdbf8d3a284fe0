"""A real server under attack through a socket, its memory and its longest silence watched meanwhile."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.reliability.service import Service
from tests.security.poll import resident_megabytes

MEGABYTES = 400
"""Most memory above that at the start, for any input."""
STALL_SECONDS = 0.5
"""Longest time without an answer at ``/health/live``."""
ERROR_BYTES = 8192
"""Longest error."""

_QUIET_SECONDS = 0.2
"""Waiting time after the expected answers, in which a wrong further answer would come."""
_POLL = Path(__file__).parent / "poll.py"


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer on a connection."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error's code."""
        return str(json.loads(self.body)["error"]["code"])


class Target(Service):
    """The service, and how much memory it has at rest."""

    _poll: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Target":
        super().__enter__()
        self.at_rest = resident_megabytes(self.pids)
        return self

    @property
    def pids(self) -> list[int]:
        """The processes that serve."""
        return [process.pid for process in self.workers()]

    def __exit__(self, *raised: Any) -> None:
        if self._poll is not None:
            self._poll.communicate(timeout=120)
        super().__exit__(*raised)

    def _say(self) -> str:
        """Tell the polling process to begin or to end, and return its answer."""
        if self._poll is None:
            command = [sys.executable, "-I", str(_POLL), str(self.port), *map(str, self.pids)]
            self._poll = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._poll.stdin is not None
        assert self._poll.stdout is not None
        self._poll.stdin.write("\n")
        self._poll.stdin.flush()
        return self._poll.stdout.readline()

    @contextmanager
    def polled(self) -> Iterator[dict[str, Any]]:
        """Poll the service meanwhile; the result is complete at the end."""
        seen: dict[str, Any] = {}
        self._say()
        try:
            yield seen
        finally:
            seen.update(json.loads(self._say()))

    @contextmanager
    def watched(self, stall: float = STALL_SECONDS, megabytes: float = MEGABYTES) -> Iterator[None]:
        """Poll the service meanwhile; it must answer in time and stay within its memory."""
        with self.polled() as seen:
            yield
        assert seen["failure"] is None, seen
        assert seen["megabytes"] - self.at_rest < megabytes, (seen, self.at_rest)
        assert seen["stall"] < stall, seen
        assert self.process.poll() is None, self.log.read_text()

    def connect(self) -> socket.socket:
        """Open a connection."""
        client = socket.create_connection(("127.0.0.1", self.port))
        client.settimeout(300)
        return client

    def send(self, *pieces: bytes, pause: float = 0.0, replies: int = 1) -> list[Reply]:
        """Send pieces on one connection, each after a pause, and return its answers: those expected, and any more."""
        with self.connect() as client:
            with suppress(ConnectionError):
                for number, piece in enumerate(pieces):
                    if number:
                        time.sleep(pause)
                    client.sendall(piece)
            return read_replies(client, replies)

    def post(self, path: str, body: bytes, kind: str, **headers: str) -> Reply:
        """Send one request, and expect one answer."""
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        start = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nConnection: close\r\n{more}"
        (reply,) = self.send(f"{start}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        return reply


def read_replies(client: socket.socket, expected: int = 1) -> list[Reply]:
    """Return the answers on a connection until it ends, or nothing comes for a while after those expected."""
    replies: list[Reply] = []
    received = b""
    while True:
        reply, rest = _first(received)
        if reply is not None:
            replies.append(reply)
            received = rest
            if len(replies) >= expected:
                client.settimeout(_QUIET_SECONDS)
            continue
        try:
            piece = client.recv(1 << 20)
        except (TimeoutError, ConnectionResetError):
            return replies
        if not piece:
            assert not received, received[:200]
            return replies
        received += piece


def _first(received: bytes) -> tuple[Reply | None, bytes]:
    head, found, rest = received.partition(b"\r\n\r\n")
    if not found:
        return None, received
    lines = head.decode("latin-1").split("\r\n")
    if lines[0].split()[1] == "100":
        return _first(rest)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    size = int(headers["content-length"])
    if len(rest) < size:
        return None, received
    return Reply(int(lines[0].split()[1]), headers, rest[:size]), rest[size:]


def expect_refusal(reply: Reply, *statuses: int) -> str:
    """Return the code of a small error in the common shape, with the headers of every answer."""
    assert reply.status in (statuses or range(400, 500)), (reply.status, reply.body[:300])
    error = json.loads(reply.body)["error"]
    assert set(error) == {"code", "message", "details"}
    assert len(reply.body) <= ERROR_BYTES
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"]
    return str(error["code"])
