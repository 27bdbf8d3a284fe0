"""Logging a failed start-up in one line. Imports `errors` of the library."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaia_redshift.errors import RedshiftError


class TellWhy:
    """Replaces the traceback of a failed start-up by the message, for the project's errors; others keep the traceback.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and rewrite the message of a failed start-up."""

        async def tell(message: Message) -> None:
            error = sys.exception()  # the router is about to raise it
            if message["type"] == "lifespan.startup.failed" and isinstance(error, RedshiftError):
                message = {**message, "message": f"the service does not start: {error.message}"}
            await send(message)

        await self._app(scope, receive, tell if scope["type"] == "lifespan" else send)
