"""What the log says of a start-up that failed: the reason in a line. Imports `errors` of the library."""

import sys

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gaia_redshift.errors import RedshiftError


class TellWhy:
    """Puts what a user can mend in the place of a traceback; what nobody foresaw keeps its own.

    Parameters
    ----------
    app : ASGI application
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, but for the reason of a failed start-up."""

        async def tell(message: Message) -> None:
            error = sys.exception()  # that the router is about to raise
            if message["type"] == "lifespan.startup.failed" and isinstance(error, RedshiftError):
                message = {**message, "message": f"the service does not start: {error.message}"}
            await send(message)

        await self._app(scope, receive, tell if scope["type"] == "lifespan" else send)
