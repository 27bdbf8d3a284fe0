"""``/guide``: the documentation as a site, built by ``make docs`` or with the image into this package's folder.

The pages have no inline scripts or styles, so a strict content security policy applies.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse

import app
from app.api.static import Folder
from app.errors import HttpError

SITE = Path(app.__file__).with_name("guide")
"""Folder of the built site."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

router = APIRouter(include_in_schema=False)


class Site(Folder):
    """Serves the files of the site, and its first page for the folder itself."""

    async def check_config(self) -> None:
        """Check nothing: the site may be built or rebuilt while the service runs."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return a file with its content security policy; raises HttpError if the site was not built."""
        if not (Path(str(self.directory)) / "index.html").is_file():
            raise HttpError(
                "the guide is not built in this installation: run `make docs` in the checkout, or use the image, which "
                "has it; the same pages are Markdown in the folder docs",
                404,
            )
        answer = await super().get_response("index.html" if path in {"", "."} else path, scope)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer


@router.get("/guide")
async def guide() -> RedirectResponse:
    """Redirect to the first page; the address is relative, so that a proxy may mount it anywhere."""
    return RedirectResponse("guide/")


def mount(service: FastAPI) -> None:
    """Serve the site below ``/guide/``."""
    service.mount("/guide", Site(directory=SITE, check_dir=False), "guide")
