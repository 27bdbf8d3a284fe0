"""What strangers do to a service beside the good requests; each attack takes a few seconds and expects nothing."""

import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from gaia_redshift.media import ARROW, NPY
from gaia_redshift.spectra import DR3
from tests.reliability.wire import request
from tests.security.corpus import bombs, documents, streams, tables

_HEAD = b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
_FORM = "multipart/form-data; boundary=x; charset="
_SECONDS = 8.0
_BANDS = ",".join([f"bp_{n}" for n in range(DR3.bp.samples)] + [f"rp_{n}" for n in range(DR3.rp.samples)]).encode()

Attack = Callable[[int, random.Random], Awaitable[None]]


async def _send(port: int, *pieces: bytes, pause: float = 0.0, seconds: float = _SECONDS) -> None:
    """Send pieces while the other side accepts them, then read until the end, both for a limited time."""
    with suppress(OSError, EOFError, TimeoutError):
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause)
                while await reader.read(65536):
                    pass
            finally:
                writer.transport.abort()


async def trailers(port: int, _chance: random.Random) -> None:
    """Send endless trailers."""
    await _send(port, _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n", *[b"a:b\r\n" * 20_000] * 200)


async def upgrade(port: int, _chance: random.Random) -> None:
    """Offer another protocol, with a request for a body."""
    body = b"GET /models/smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
    offer = b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: %d\r\n\r\n" % len(body)
    await _send(port, _HEAD + offer, body, pause=0.1, seconds=2)


async def forms(port: int, chance: random.Random) -> None:
    """Send a form in a slow or unknown codec."""
    body = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ne28h' + b"a" * 270_000 + b"\r\n--x--\r\n"
    await _send(
        port, request("/predict/csv", body, _FORM + chance.choice(["punycode", "undefined", "utf-7"])), seconds=3
    )


async def rubbish(port: int, chance: random.Random) -> None:
    """Send random bytes, many times."""
    for _ in range(20):
        await _send(port, chance.randbytes(chance.randrange(1, 5000)) + b"\r\n\r\n", seconds=0.5)


async def knock(port: int, _chance: random.Random) -> None:
    """Open many connections and send nothing."""
    await asyncio.gather(*(_send(port, seconds=4) for _ in range(200)))


async def hold(port: int, _chance: random.Random) -> None:
    """Send most of a large body, and the rest slowly."""
    head = _HEAD + b"Content-Length: 50331648\r\n\r\n"
    drops = [b" " * 1500] * 30
    await asyncio.gather(*(_send(port, head + b" " * 40_000_000, *drops, pause=1, seconds=30) for _ in range(2)))


async def corpus(port: int, chance: random.Random) -> None:
    """Send one of the hostile inputs."""
    await _send(port, chance.choice(_CORPUS), seconds=20)


_CORPUS = [
    *(request("/predict", content) for _, content in documents()),
    *(request("/predict/csv", content, "text/csv") for _, content in tables()),
    *(request("/predict", content, ARROW) for _, content in list(streams())[:60]),
    *(request("/predict", content, ARROW) for _, content in bombs(100 << 20)),
    request("/predict", b"\x93NUMPY\x01\x00" + b"\xff" * 5000, NPY),
    request("/predict", b'{"spectra":[' + b'{"flux":[1,2,"x"],"source_id":[]},' * 9999 + b"{}]}"),
    request("/predict/csv", _BANDS + b"\n" + b"1\n" * 300_000, "text/csv"),
]

ATTACKS: tuple[Attack, ...] = (trailers, upgrade, forms, rubbish, knock, hold, corpus, corpus, corpus, corpus)


async def attack(port: int, seed: int, until: Callable[[], bool]) -> int:
    """Run one attack after the other; return their number."""
    chance = random.Random(seed)  # noqa: S311 - traffic, not secrets
    count = 0
    while not until():
        await chance.choice(ATTACKS)(port, chance)
        count += 1
    return count


def main() -> None:
    """Attack the port for some seconds, from a separate process; print the number of attacks."""
    port, seed, seconds = map(int, sys.argv[1:])
    end = time.monotonic() + seconds
    print(asyncio.run(attack(port, seed, lambda: time.monotonic() > end)))  # noqa: T201 - the result


if __name__ == "__main__":
    main()
