"""Requests to a server in this process: what they know, and what they leave behind."""

import asyncio
import gc
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx
import uvicorn

from app.errors import OverloadedError
from app.serving.access_log import AccessLogMiddleware
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
