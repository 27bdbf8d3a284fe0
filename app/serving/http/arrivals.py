"""Data in the operating system's queues: unread bytes of a connection, connections not yet accepted.

Closing a socket with unread bytes, or a port with connections not yet accepted, resets the connections: a client that
has sent a request then gets no answer. Imports nothing of the project.
"""

import array
import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import termios
from collections.abc import Sequence
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_TCP_INFO_WAITING = 24
"""Offset in Linux's TCP_INFO of a listening socket of the number of connections waiting to be accepted."""
_STEP_SECONDS = 0.02
_LEAST_SECONDS = 0.1
"""Seconds for handshakes that have begun."""
_MOST_SECONDS = 10.0
_PIECE_BYTES, _MOST_PIECES = 256 << 10, 8

_NO_SYN = (
    (0x30, 0, 0, 13),  # load the byte of TCP's header that holds the flags
    (0x45, 0, 1, 0x02),  # is SYN set?
    (0x06, 0, 0, 0),  # then drop the packet,
    (0x06, 0, 0, 0xFFFFFFFF),  # else keep all of it
)
"""A packet filter (BPF) that drops the first packet of each new connection."""


def unread_bytes(transport: asyncio.BaseTransport) -> int:
    """Return the number of unread bytes of a connection; 0 if the system cannot tell."""
    found = array.array("i", [0])
    sock = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError, ValueError):
        fcntl.ioctl(sock.fileno(), termios.FIONREAD, found)
    return found[0]


def drop_unread(transport: asyncio.BaseTransport) -> None:
    """Read and drop what a connection has received, up to some megabytes."""
    sock = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError, ValueError):
        for _ in range(_MOST_PIECES):
            if not os.read(sock.fileno(), _PIECE_BYTES):
                return


def end_sending(transport: asyncio.BaseTransport) -> None:
    """Tell the client at once that nothing more comes; its transport would tell it only in a later turn of the loop."""
    sock = transport.get_extra_info("socket")
    with suppress(OSError, AttributeError, ValueError):
        same = socket.socket(fileno=sock.fileno())
        try:
            same.shutdown(socket.SHUT_WR)
        finally:
            same.detach()


def take_no_more(listening: Sequence[socket.socket]) -> None:
    """Ignore new connections, while those already established can still be accepted.

    This affects every process that shares the port. On systems other than Linux it does nothing, and a client that
    connects just as the port is closed is reset.
    """
    instructions = b"".join(struct.pack("=HBBI", *instruction) for instruction in _NO_SYN)
    held = ctypes.create_string_buffer(instructions)
    program = struct.pack("@HP", len(_NO_SYN), ctypes.addressof(held))
    for sock in listening:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


async def accept_waiting(listening: Sequence[socket.socket]) -> None:
    """Return when the event loop has accepted every waiting connection."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while (waited := loop.time() - began) < _MOST_SECONDS:
        await asyncio.sleep(_STEP_SECONDS)
        if waited > _LEAST_SECONDS and not any(map(not_accepted, listening)):
            return


def not_accepted(listening: socket.socket) -> int:
    """Return how many connections of a listening socket wait to be accepted; 0 if the system does not tell."""
    if not hasattr(socket, "TCP_INFO"):
        return 0
    try:
        info = listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_WAITING + 4)
    except OSError:
        return 0
    waiting: int = struct.unpack_from("=I", info, _TCP_INFO_WAITING)[0]
    return waiting
