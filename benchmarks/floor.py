"""A bare ASGI application to compare the service with: it decodes the same JSON and returns one number.

``uvicorn floor:application`` measures the cost of Python over HTTP without a prediction (benchmarks/server.py).
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import numpy as np
import orjson

_Message = MutableMapping[str, Any]


async def application(
    scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]
) -> None:
    """Answer every request with the sum of its fluxes."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    spectra = orjson.loads(body)["spectra"] if body else []
    flux = np.array([spectrum["flux"] for spectrum in spectra], np.float32)
    answer = orjson.dumps({"predictions": [{"redshift": float(flux.sum())}]})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
