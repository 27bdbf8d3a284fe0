"""The way of a small JSON body past limits and router. Imports its neighbours, and an endpoint that it is given.

A body that came with its head needs no clock over its arrival, and its endpoint none of FastAPI's router, dependencies
and layers, which together take as long as all that the request is about. Everything else goes the long way, and the
endpoint is the same.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.serving.access_log import AccessLogMiddleware
from app.serving.http.exchange import WHOLE_BODY
from app.serving.security import Access

_JSON = b"application/json"
_ANY = (b"*/*", _JSON)


@dataclass(frozen=True, slots=True)
class _Route:
    """What logs and metrics name a request by, as the router would tell them."""

    path: str


class Endpoint(Protocol):
    """What answers a body at once."""

    path: str
    largest: int
    """Bytes of a body."""

    def busy(self) -> bool:
        """Say whether so much waits that a request needs a clock over its answer."""
        ...

    def answer(self, scope: Scope, body: bytes) -> Awaitable[bytes]:
        """Return the JSON of the answer; raises what the endpoint raises."""
        ...


class FastPath:
    """Pure ASGI, around the application.

    Parameters
    ----------
    app : FastAPI
        Where everything else goes, past what reads a proxy's headers.
    endpoint : Endpoint
    access : Access
        What is asked of every request.
    """

    def __init__(self, app: FastAPI, endpoint: Endpoint, access: Access) -> None:
        self.app, self._endpoint, self._access = app, endpoint, access
        self._app = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app)))
        self._route = _Route(endpoint.path)
        self._watch = AccessLogMiddleware(self._answer)
        self._forwarded: ASGIApp = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", self._watch)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        body = self._body(scope) if WHOLE_BODY in scope else None
        if body is None:
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"], scope[WHOLE_BODY] = self.app, self._route, body
        forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
        await (self._forwarded if forwarded else self._watch)(scope, receive, send)

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self._access.check(scope)
        answer = await self._endpoint.answer(scope, scope[WHOLE_BODY])
        headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _body(self, scope: Scope) -> bytes | None:
        """Return the body of a request that needs nothing of the long way."""
        if (
            scope["path"] != self._route.path
            or scope["method"] != "POST"
            or scope["query_string"]
            or self._endpoint.busy()
        ):
            return None
        kind = b""
        for name, value in scope["headers"]:
            if name == b"content-type":
                kind = value
            elif name == b"content-encoding" or (name == b"accept" and value not in _ANY):
                return None
        if kind != _JSON:
            return None
        body: bytes | None = scope[WHOLE_BODY](self._endpoint.largest)
        return body
