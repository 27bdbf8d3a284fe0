"""Files in answers, with the errors of the framework in the service's own shape. Imports `errors`."""

from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from app.errors import HttpError

_BAD_RANGE = frozenset({400, 416})


def _refusing(send: Send) -> Send:
    """Return a `send` that raises what starlette answers in plain text: a Range that the file does not have."""

    async def checked(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in _BAD_RANGE:
            known = {name.decode(): value.decode() for name, value in message["headers"] if name == b"content-range"}
            raise HttpError(
                "the header Range does not fit the file: ask for bytes=FIRST-LAST within it, or for all of it",
                message["status"],
                known,
            )
        await send(message)

    return checked


class File(FileResponse):
    """One file, or the part of it that Range names."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; raises HttpError for a Range that it does not have."""
        await super().__call__(scope, receive, _refusing(send))


class Folder(StaticFiles):
    """The files of a folder."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send a file; raises HttpError for a Range that it does not have."""
        await super().__call__(scope, receive, _refusing(send))
