"""A small, fast HTTP client for load, and the requests it sends, with the answers they must get."""

import asyncio
import json
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import SHIPPED, tiny_redshift


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Connection:
    """One keep-alive connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        writer = self._writer
        self.close()
        if writer is not None:
            with suppress(OSError):
                await writer.wait_closed()

    def close(self) -> None:
        """Close the connection, also during a request."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def send(self, request: bytes) -> Answer:
        """Send a whole request and return its answer; raises ConnectionError or IncompleteReadError if none comes."""
        await self.begin(request)
        return await self.end()

    async def begin(self, request: bytes) -> None:
        """Send a request, as much of it as the system takes at once; `end` sends the rest."""
        if self._reader is not None and self._reader.at_eof():  # the server closed an idle connection
            self.close()
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        self._writer.write(request)

    async def end(self) -> Answer:
        """Return the answer to the request that was begun."""
        assert self._reader is not None
        try:
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = {
                name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)
            }
            body = await self._reader.readexactly(int(headers["content-length"]))
        except BaseException:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        return Answer(int(head[0].split()[1]), headers, body)


def request(path: str, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """Return the bytes of a POST request."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{more}\r\n"
    )
    return head.encode() + body


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the expected redshifts."""

    request: bytes
    redshift: list[float]

    def fits(self, answer: Answer) -> bool:
        """Return whether a 200 holds exactly these redshifts, in order."""
        rows = json.loads(answer.body)["predictions"]
        found = [row["redshift"] for row in rows]
        return len(found) == len(self.redshift) and bool(np.allclose(found, self.redshift, atol=2e-6))


def flux_of(rows: int, seed: int) -> FloatArray:
    """Return plausible spectra, different for every seed."""
    return np.round(np.random.default_rng(seed).uniform(0.1, 0.9, (rows, DR3.samples)), 4).astype(np.float32)


Answers = Callable[[FloatArray], NDArray[np.floating[Any]]]
"""The redshifts of spectra, computed without the service."""


REAL: Mapping[str, Any] = {"models": SHIPPED, "default_model": "default"}
"""Settings of a service with the shipped model."""


@cache
def _shipped() -> Predictor:
    return Predictor(models=SHIPPED)


def shipped_redshift(flux: FloatArray) -> NDArray[np.floating[Any]]:
    """Return what the shipped model answers."""
    found: NDArray[np.floating[Any]] = _shipped()(flux)["redshift"]
    return found


def json_question(rows: int, seed: int, answers: Answers = tiny_redshift, **headers: str) -> Question:
    """Return a JSON request of `rows` spectra."""
    flux = flux_of(rows, seed)
    spectra = [{"flux": row, "source_id": number} for number, row in enumerate(flux.astype(float).round(4).tolist())]
    body = json.dumps({"spectra": spectra}).encode()
    return Question(request("/predict", body, **headers), answers(flux).tolist())


def csv_question(rows: int, seed: int, answers: Answers = tiny_redshift) -> Question:
    """Return a CSV upload of `rows` spectra that asks for JSON."""
    flux = flux_of(rows, seed)
    lines = [",".join(f"flux_{number}" for number in range(DR3.samples))]
    lines += [",".join(f"{value:.4f}" for value in row) for row in flux]
    body = "\n".join(lines).encode()
    return Question(request("/predict/csv", body, "text/csv", Accept="application/json"), answers(flux).tolist())


BAD = (
    request("/predict", b"{"),
    request("/predict", b'{"spectra": []}'),
    request("/predict", b'{"spectra": [{"flux": [' + b"1," * 185 + b"NaN]}]}"),
    request("/predict", b"[" * 10_000),
    request("/predict", b"{}", "text/plain"),
    request("/predict/csv", b"a,b\n1,2\n", "text/csv"),
    request("/predict/csv", b"\x89PNG\r\n\x00", "text/csv"),
    request("/predict/csv", b"rubbish", "multipart/form-data; boundary=x"),
    request("/nowhere", b""),
)
"""Requests that must be refused with 4xx."""


async def leave_early(port: int, question: Question, chance: random.Random) -> None:
    """Send a part of a request, or all of it, and leave without waiting for the answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(question.request[: chance.randrange(1, len(question.request) + 1)])
    await writer.drain()
    writer.close()
