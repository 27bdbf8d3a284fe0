import asyncio
import socket
import sys

import pytest

from app.serving.http import arrivals


def listen() -> socket.socket:
    port = socket.create_server(("127.0.0.1", 0))
    port.setblocking(False)
    return port


@pytest.mark.skipif(sys.platform != "linux", reason="packet filters are Linux's")
def test_waiting_connections_are_accepted_and_new_ones_are_not() -> None:
    with listen() as port:
        address = port.getsockname()
        with socket.create_connection(address) as early:
            early.sendall(b"early")
            arrivals.take_no_more([port])
            with pytest.raises(TimeoutError):
                socket.create_connection(address, timeout=0.5)
            accepted, _ = port.accept()
            with accepted:
                assert accepted.recv(5) == b"early"
                accepted.sendall(b"answer")
                assert early.recv(6) == b"answer"
            with pytest.raises(BlockingIOError):
                port.accept()


def test_a_port_without_a_filter_stays_as_it_is() -> None:
    closed = listen()
    closed.close()
    arrivals.take_no_more([closed])


@pytest.mark.skipif(not hasattr(socket, "TCP_INFO"), reason="the system does not say who waits")
def test_a_waiting_connection_is_accepted_before_the_wait_is_over() -> None:
    async def run() -> int:
        accepted: list[socket.socket] = []
        loop = asyncio.get_running_loop()
        with listen() as port:
            clients = [socket.create_connection(port.getsockname()) for _ in range(40)]

            def accept_one() -> None:
                accepted.append(port.accept()[0])

            loop.add_reader(port, accept_one)
            await arrivals.accept_waiting([port])
            loop.remove_reader(port)
            for one in [*clients, *accepted]:
                one.close()
        return len(accepted)

    assert asyncio.run(run()) == 40


def test_unread_bytes_are_those_that_the_system_holds() -> None:
    async def run() -> tuple[int, int]:
        ours, theirs = socket.socketpair()
        with theirs:
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
            transport.pause_reading()
            before = arrivals.unread_bytes(transport)
            theirs.sendall(b"twelve bytes")
            after = arrivals.unread_bytes(transport)
            transport.abort()
            await asyncio.sleep(0)
        return before, after

    assert asyncio.run(run()) == (0, 12)
