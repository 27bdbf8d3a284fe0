"""How long a connection stays open on which no request comes."""

import asyncio
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop

from app.serving.http import patience
from app.serving.http.patience import IdlePatience, Patience, ReaderPatience

Use = Callable[[socket.socket, IdlePatience], Coroutine[Any, Any, None]]


def with_connection(use: Use, *, crowded: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call a coroutine with a client's end of a connection, and the time limit of the other end."""
    monkeypatch.setattr(patience, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(patience, "LONGEST_IDLE_SECONDS", 0.4)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        idle = IdlePatience(loop, Patience(loop), ReaderPatience(loop, transport, 1), lambda: crowded)
        with theirs:
            theirs.setblocking(False)
            await use(theirs, idle)
        transport.abort()

    uvloop.run(run())


def is_closed(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize(("crowded", "ending"), [(True, False), (False, True)])
def test_an_idle_connection_is_closed_soon_if_others_need_its_place(
    crowded: bool, ending: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "LAST_SECONDS", 0.05)

    async def use(client: socket.socket, idle: IdlePatience) -> None:
        idle.wait(ending=ending)
        await asyncio.sleep(0.2)
        assert is_closed(client)

    with_connection(use, crowded=crowded, monkeypatch=monkeypatch)


def test_an_idle_connection_stays_longer_if_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(client: socket.socket, idle: IdlePatience) -> None:
        idle.wait(ending=False)
        await asyncio.sleep(0.2)
        assert not is_closed(client)
        await asyncio.sleep(0.4)
        assert is_closed(client)

    with_connection(use, crowded=False, monkeypatch=monkeypatch)


def test_a_client_sees_the_end_in_the_turn_of_the_loop_in_which_nothing_of_a_request_was_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A request that it sent later in that turn, before the transport is closed, would be lost."""

    async def use(client: socket.socket, idle: IdlePatience) -> None:
        client.sendall(b"G")
        idle._look()
        assert not is_closed(client)
        await asyncio.sleep(0.02)  # it is read
        idle._look()
        assert is_closed(client)

    with_connection(use, crowded=True, monkeypatch=monkeypatch)
