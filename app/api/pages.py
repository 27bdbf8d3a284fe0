"""The page at ``/``, and ``/docs`` without a CDN: Swagger UI's files come from an installed package."""

import base64
import hashlib
import re
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

from app.api import guide
from app.api.static import Folder
from app.settings import Settings
from app.wire.schemas import PredictRequest
from app.wire.votable import VOTABLE
from gaia_redshift.spectra import DR3

router = APIRouter(include_in_schema=False)

EXAMPLE_TABLE = files("gaia_redshift") / "data" / "example_galaxies.csv"
"""Four simulated galaxies in the dissertation's format, `z` first."""

_REF = "#/components/schemas/{model}"


WEB = Path(str(files("app") / "web"))
"""Folder of the page's files."""

_SAMP_HUB = "http://127.0.0.1:21012"
"""Address at which TOPCAT and other SAMP hubs listen on the user's machine (SAMP web profile)."""

HOME_POLICY = (
    f"default-src 'self'; connect-src 'self' {_SAMP_HUB}; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'none'"
)
"""Content security policy: everything from this origin, no inline scripts or styles."""


_ASK_AGAIN = {"Cache-Control": "no-cache"}
"""Browsers must revalidate files at each use, so that modules of different versions are not mixed."""


@router.get("/")
async def home(request: Request) -> HTMLResponse:
    """Show the page; all its addresses are relative, so that a proxy may mount it anywhere."""
    settings: Settings = request.app.state.settings
    there: dict[str, object] = {
        "jobs": settings.jobs_folder,
        "archive": settings.archive_url,
        "keys": settings.api_keys,
    }
    there["guide"] = (guide.SITE / "index.html").is_file()
    words = {name: "true" if value else "false" for name, value in there.items()}
    content = _home().substitute(words, version=version("gaia-redshift"))
    return HTMLResponse(content, headers={"Content-Security-Policy": HOME_POLICY, **_ASK_AGAIN})


@cache
def _home() -> Template:
    return Template((WEB / "index.html").read_text(encoding="utf-8"))


@router.get("/docs")
async def docs() -> HTMLResponse:
    """Show the interactive documentation; all its addresses are relative, so that a proxy may mount it anywhere."""
    page = get_swagger_ui_html(
        openapi_url="openapi.json",
        title="gaia-redshift",
        swagger_js_url="static/swagger/swagger-ui-bundle.js",
        swagger_css_url="static/swagger/swagger-ui.css",
        swagger_favicon_url="static/swagger/favicon-32x32.png",
        swagger_ui_parameters={"tryItOutEnabled": True, "displayRequestDuration": True},
    )
    content = bytes(page.body).replace(b"<html>", b'<html lang="en">', 1)
    content = content.replace(b"<title>", b'<link rel="stylesheet" href="static/page/docs.css">\n    <title>', 1)
    return HTMLResponse(content, headers={"Content-Security-Policy": _page_policy(content)})


def _page_policy(page: bytes) -> str:
    """Return a content security policy that allows files of this origin, and the page's inline script by its hash."""
    scripts = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    hashes = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text).digest()).decode()}'" for text in scripts)
    return (
        f"default-src 'none'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )


def _example_request() -> dict[str, object]:
    """Return a request with the first galaxy of the example table."""
    lines = EXAMPLE_TABLE.read_text(encoding="ascii").splitlines()
    galaxy = dict(zip(lines[0].split(","), map(float, lines[1].split(",")), strict=True))
    return {"spectra": [{"source_id": "example", "flux": [galaxy[f"flux_{n}"] for n in range(DR3.samples)]}]}


def _describe_errors(document: dict[str, Any]) -> None:
    """Add to each error that it comes as a VOTable to whoever asks for one."""
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if status[0] in "45":
                    answer.setdefault("content", {})[VOTABLE] = {"schema": {"type": "string"}}


def _describe_keys(document: dict[str, Any], settings: Settings) -> None:
    """Document API keys if there are any, and remove the routes that the settings switch off."""
    if settings.api_keys or settings.admin_keys:
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    if settings.api_keys:
        document["security"] = [{"key": []}]
    if settings.admin_keys:
        document["paths"]["/models/reload"]["post"]["security"] = [{"key": []}]
    else:
        document["paths"].pop("/models/reload", None)
    if settings.archive_url is None:
        document["paths"].pop("/predict/sources", None)
    if settings.jobs_folder is None:
        document["paths"] = {path: one for path, one in document["paths"].items() if not path.startswith("/jobs")}


class _Files(Folder):
    def file_response(self, *given: Any, **named: Any) -> Response:
        """Return a file, or 304 if the browser has it."""
        response = super().file_response(*given, **named)
        response.headers.update(_ASK_AGAIN)
        return response


def mount_static(app: FastAPI) -> None:
    """Serve the page's files under ``/static/page``, and Swagger UI's under ``/static/swagger``."""
    app.mount("/static/page", _Files(directory=WEB), "page")
    app.mount("/static/swagger", Folder(directory=str(files("fastapi_swagger") / "resources")), "swagger")


def describe_request_body(app: FastAPI) -> None:
    """Add the schema of `PredictRequest`, a working example, and the API keys to the OpenAPI document.

    FastAPI does not know the schema, because the route reads the body itself.
    """
    generate = app.openapi

    def openapi() -> dict[str, object]:
        document = generate()
        schema = PredictRequest.model_json_schema(ref_template=_REF)
        components = document["components"]["schemas"]
        components.update(schema.pop("$defs"))
        schema["properties"]["spectra"]["maxItems"] = app.state.settings.max_spectra
        components[PredictRequest.__name__] = {**schema, "example": _example_request()}
        paths = document["paths"]
        paths["/predict/csv"]["post"]["requestBody"]["content"]["text/csv"]["example"] = EXAMPLE_TABLE.read_text(
            "ascii"
        )
        for path in ("/models/{name}", "/grid"):
            paths[path]["get"]["parameters"][0]["example"] = app.state.settings.default_model
        _describe_errors(document)
        _describe_keys(document, app.state.settings)
        return document

    app.openapi = openapi  # type: ignore[method-assign]
