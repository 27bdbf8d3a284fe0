"""The turns of the event loop between two batches, counted in a server."""

import asyncio
from functools import partial
from typing import Any

import orjson
import pytest
import uvicorn

from app.api.predict import SmallRequests
from app.main import create_app
from app.serving import batcher
from app.serving.batcher import _TURNS, Batcher
from app.serving.fast_path import FastPath
from app.serving.http_protocol import ImpatientProtocol
from app.settings import Settings
from gaia_redshift.spectra import DR3


def test_a_batch_is_followed_by_as_many_turns_of_the_loop_as_the_next_requests_take(
    monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """If the next request comes before the loop turns, the turns are not needed; if after them, they are too few."""
    requests, turn, last, between = 6, 0, 0, list[int]()
    hand_out, submit = batcher.hand_out, Batcher.submit

    def handed_out(*arguments: Any) -> None:
        nonlocal last
        last = turn
        hand_out(*arguments)

    def submitted(*arguments: Any, **options: Any) -> Any:
        between.append(turn - last)
        return submit(*arguments, **options)

    monkeypatch.setattr(batcher, "hand_out", handed_out)
    monkeypatch.setattr(Batcher, "submit", submitted)
    body = orjson.dumps({"spectra": [{"flux": list(range(DR3.samples))}] * 2})  # two: one would be done at once
    fields_sent = [
        "POST /predict HTTP/1.1",
        "Host: a",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    ]
    request = "\r\n".join([*fields_sent, "", ""]).encode() + body

    async def run() -> None:
        protocol: Any = partial(ImpatientProtocol, settings)  # called like the class
        app = create_app(settings)
        application = FastPath(app, SmallRequests(app), app.state.access)
        config = uvicorn.Config(application, port=0, http=protocol, log_config=None)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve())
        while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.01)

        def count() -> None:
            nonlocal turn
            turn += 1
            if not server.should_exit:
                asyncio.get_running_loop().call_soon(count)

        reader, writer = await asyncio.open_connection(*server.servers[0].sockets[0].getsockname())
        count()
        writer.write(request * requests)
        for _ in range(requests):
            status, *fields = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            assert status == "HTTP/1.1 200 OK"
            length = next(field.partition(":")[2] for field in fields if field.startswith("content-length"))
            await reader.readexactly(int(length))
        writer.close()
        server.should_exit = True
        await serving

    asyncio.run(run())
    assert len(between) == requests
    # The next request was already on the connection. One that is sent after the answer needs one more turn.
    assert set(between[1:]) <= set(range(1, _TURNS)), between
