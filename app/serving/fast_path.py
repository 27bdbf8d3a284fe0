"""The way to ``POST /predict`` past the router. Imports nothing of the project but the endpoint it is given.

FastAPI's router, its dependency solver and its layers take a quarter of the time of a request with one spectrum, and
the endpoint needs none of them: it reads its body itself. They go on to answer every other request.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import Request, Response
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    """What logs and metrics name a request by, as the router would tell them."""

    path: str


class Shortcut:
    """Pure ASGI middleware, the innermost.

    Parameters
    ----------
    app : ASGI application
    path : str
        The one path whose POST requests go straight to `endpoint`.
    endpoint : callable
    """

    def __init__(self, app: ASGIApp, path: str, endpoint: Endpoint) -> None:
        self.app, self.endpoint = app, endpoint
        self.route = _Route(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass the request on."""
        if scope["type"] == "http" and scope["path"] == self.route.path and scope["method"] == "POST":
            scope["route"] = self.route
            response = await self.endpoint(Request(scope, receive, send))
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)
