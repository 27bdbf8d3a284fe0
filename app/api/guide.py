"""``/guide``: the documentation as a site, which ``make docs`` and the image's build put beside this package.

It is served as it was built: no page has a script or a style of its own, so that the strictest content policy holds.
"""

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

import app
from app.errors import HttpError

SITE = Path(app.__file__).with_name("guide")
"""Where the site lies once it was built."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)

router = APIRouter(include_in_schema=False)


class Site(StaticFiles):
    """The files of the site, its first page for the folder itself."""

    async def check_config(self) -> None:
        """Look at nothing: the site may be built, or built anew, while the service runs."""

    async def get_response(self, path: str, scope: MutableMapping[str, Any]) -> Response:
        """Return a file with the policy it needs; raises HttpError where no site was built."""
        if not (Path(str(self.directory)) / "index.html").is_file():
            raise HttpError(
                "the guide was not built in this installation: `make docs` in its checkout builds it, and the image "
                "holds it; the same pages are Markdown in the folder docs",
                404,
            )
        answer = await super().get_response("index.html" if path in {"", "."} else path, scope)
        answer.headers["Content-Security-Policy"] = POLICY
        return answer


@router.get("/guide")
async def guide() -> RedirectResponse:
    """Send a browser to the first page; the address is relative, so a proxy may mount it anywhere."""
    return RedirectResponse("guide/")


def mount(service: FastAPI) -> None:
    """Serve the site below ``/guide/``."""
    service.mount("/guide", Site(directory=SITE, check_dir=False), "guide")
