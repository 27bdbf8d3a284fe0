"""How connections are accepted, in the event loop of the service."""

import asyncio
import resource
import socket
from contextlib import ExitStack

import pytest
import uvloop

from app.serving.http.listener import Listener


class Counting(asyncio.Protocol):
    """Notes in which turn of the loop connections are made."""

    turn = 0
    made: list[int]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.made.append(type(self).turn)
        transport.close()


@pytest.fixture
def protocol() -> type[Counting]:
    return type("Fresh", (Counting,), {"made": []})


def listen() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0), backlog=512)


def test_a_crowd_is_accepted_in_a_few_turns_of_the_loop(protocol: type[Counting]) -> None:
    async def run() -> None:
        with listen() as port, ExitStack() as stack:
            for _ in range(200):
                stack.enter_context(socket.create_connection(port.getsockname()))
            listener = Listener([port], protocol, 512)
            while len(protocol.made) < 200:
                await asyncio.sleep(0)
                protocol.turn += 1
            await listener.settled()
            listener.close()
            await listener.wait_closed()

    uvloop.run(asyncio.wait_for(run(), 20))
    assert len(set(protocol.made)) <= 10


def test_nothing_is_accepted_after_its_end(protocol: type[Counting]) -> None:
    async def run() -> None:
        with listen() as port:
            Listener([port], protocol, 512).close()
            with socket.create_connection(port.getsockname()):
                await asyncio.sleep(0.1)

    uvloop.run(run())
    assert protocol.made == []


def test_where_no_file_can_be_opened_a_connection_waits(
    protocol: type[Counting], caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with listen() as port, socket.create_connection(port.getsockname()), listen() as last:
            listener = Listener([port], protocol, 512)
            resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1, hard))
            try:
                while not caplog.records:  # noqa: ASYNC110 - logging has no event
                    await asyncio.sleep(0)
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            while not protocol.made:  # noqa: ASYNC110 - as simple as can be
                await asyncio.sleep(0.01)
            listener.close()

    uvloop.run(asyncio.wait_for(run(), 20))
    assert "waits to be accepted" in caplog.text


def test_workers_that_share_a_port_share_its_connections() -> None:
    first, second = (type("Fresh", (Counting,), {"made": []}) for _ in range(2))

    async def run() -> None:
        with listen() as port, port.dup() as same, ExitStack() as stack:
            listeners = [Listener([port], first, 512, 2), Listener([same], second, 512, 2)]
            for _ in range(60):
                stack.enter_context(socket.create_connection(port.getsockname()))
                await asyncio.sleep(0)
            while len(first.made) + len(second.made) < 60:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.001)
            for listener in listeners:
                await listener.settled()
                listener.close()

    uvloop.run(asyncio.wait_for(run(), 20))
    assert min(len(first.made), len(second.made)) >= 15
