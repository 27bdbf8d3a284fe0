"""Connections of a server in this process: what a request knows, what it leaves behind, when an idle one is closed."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import pytest
import uvicorn

from app.errors import OverloadedError
from app.serving.access_log import AccessLogMiddleware
from app.serving.http import patience
from app.serving.http.exchange import IN_SERVICE
from app.serving.http_protocol import ImpatientProtocol
from app.settings import Settings
from tests.reliability.wire import request


@asynccontextmanager
async def served(application: Any, **settings: Any) -> AsyncIterator[int]:
    """Serve an ASGI application, and return the port."""
    protocol: Any = partial(ImpatientProtocol, Settings(**settings))  # called like the class
    server = uvicorn.Server(uvicorn.Config(application, port=0, lifespan="off", http=protocol, log_config=None))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def empty(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def test_a_request_knows_what_else_is_being_served() -> None:
    together: list[int] = []
    arrived, release = asyncio.Event(), asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        together.append(len(scope[IN_SERVICE]))
        if scope["path"] == "/patient":
            arrived.set()
            await release.wait()
        await empty(scope, receive, send)

    async def run() -> None:
        async with served(application) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            await client.get("/")
            patient = asyncio.create_task(client.get("/patient"))
            await arrived.wait()
            await client.get("/")
            release.set()
            await patient
            await client.get("/")

    asyncio.run(run())
    assert together == [1, 1, 2, 1]


def test_bodies_of_refused_requests_are_freed_without_a_garbage_collection() -> None:
    requests, size = 60, 50_000

    async def refuse(*_: Any) -> None:
        raise OverloadedError("full", 1)

    async def ask(port: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", b"1" * size, connection="close"))
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        return answer

    async def run() -> int:
        async with served(AccessLogMiddleware(refuse)) as port:
            await ask(port)
            gc.collect()
            gc.disable()
            tracemalloc.start()
            for _ in range(requests):
                assert (await ask(port)).startswith(b"HTTP/1.1 429")
            return tracemalloc.get_traced_memory()[0]

    try:
        assert asyncio.run(run()) < requests * size / 4
    finally:
        tracemalloc.stop()
        gc.enable()


async def idle_seconds(port: int, others: int) -> float:
    """Return how long an idle connection stays open beside others."""
    loop = asyncio.get_running_loop()
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1 + others)]
    reader, writer = connections[0]
    writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    began = loop.time()
    assert await reader.read() == b""
    seconds = loop.time() - began
    for _, each in connections:
        each.close()
    return seconds


@pytest.mark.parametrize(("others", "least", "most"), [(2, 1.0, 10.0), (3, 0.2, 0.9)])
def test_an_idle_connection_is_closed_soon_only_if_half_of_all_are_open(
    others: int, least: float, most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(patience, "MOST_IDLE_SECONDS", 1.0)

    async def run() -> float:
        async with served(empty, max_connections=6) as port:
            return await idle_seconds(port, others)

    assert least <= asyncio.run(run()) < most
