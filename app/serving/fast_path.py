"""A fast path for small JSON bodies, around limits and router. Imports its neighbours; the endpoint is passed in.

A body that arrived together with its headers needs no time limit for its arrival. Its endpoint does not need FastAPI's
router, dependencies and middleware either, which together take as long as the prediction. All other requests take the
normal path to the same endpoint.
"""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol, cast

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.errors import OverloadedError
from app.serving.access_log import AccessLogMiddleware
from app.serving.http.exchange import WHOLE_BODY
from app.serving.security import Access

_JSON = b"application/json"
_ANY = (b"*/*", _JSON)


@dataclass(frozen=True, slots=True)
class _Route:
    """The route for logs and metrics, as the router would set it."""

    path: str


class Endpoint(Protocol):
    """Endpoint for a complete body."""

    path: str
    largest: int
    """Largest body in bytes."""

    def busy(self) -> bool:
        """Return whether so much is waiting that a request needs a time limit."""
        ...

    def refusal(self) -> OverloadedError | None:
        """Return why every request is refused, its body unread, if so much is waiting."""
        ...

    def answer(self, scope: Scope, body: bytes) -> Awaitable[bytes]:
        """Return the JSON of the answer; raises the endpoint's exceptions."""
        ...


class FastPath:
    """Pure ASGI, around the application.

    Parameters
    ----------
    app : FastAPI
        Takes all other requests.
    endpoint : Endpoint
    access : Access
        Checks of host, origin and key.
    """

    def __init__(self, app: FastAPI, endpoint: Endpoint, access: Access) -> None:
        self.app, self._endpoint, self._access = app, endpoint, access
        self._app = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", app)))
        self._route = _Route(endpoint.path)
        self._watch = AccessLogMiddleware(self._answer)
        self._forwarded: ASGIApp = cast("ASGIApp", ProxyHeadersMiddleware(cast("Any", self._watch)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        body = None
        if WHOLE_BODY in scope and self._asks(scope):
            body = self._endpoint.refusal() or self._body(scope)
        if body is None:
            await self._app(scope, receive, send)
            return
        scope["app"], scope["route"], scope[WHOLE_BODY] = self.app, self._route, body
        forwarded = any(name == b"x-forwarded-for" for name, _ in scope["headers"])
        await (self._forwarded if forwarded else self._watch)(scope, receive, send)

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        self._access.check(scope)
        body = scope.pop(WHOLE_BODY)
        if isinstance(body, OverloadedError):
            raise body
        answer = await self._endpoint.answer(scope, body)
        headers = [(b"content-type", _JSON), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": answer})

    def _asks(self, scope: Scope) -> bool:
        return bool(scope["path"] == self._route.path and scope["method"] == "POST")

    def _body(self, scope: Scope) -> bytes | None:
        """Return the body of a request that can take the fast path, else None."""
        if scope["query_string"] or self._endpoint.busy():
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
