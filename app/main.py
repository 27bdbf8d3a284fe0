"""The server: settings, lifespan, error handlers, routers. Nothing but `commands` and the tests imports it."""

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api import health, models, pages, predict
from app.api.body import BodyLimit
from app.errors import Detail, InvalidRequestError, NotReadyError, OverloadedError, RedshiftError
from app.model import Models
from app.settings import Settings

_log = logging.getLogger("gaia_redshift")

_DESCRIPTION = """
Redshifts of galaxies from Gaia BP/RP spectra: a point estimate, a calibrated interval and quality flags for each
spectrum. Every error has the shape `{"error": {"code", "message", "details"}}`.
"""

_HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the service; its models are loaded and warmed up when it starts.

    Raises
    ------
    InvalidBundleError
        At start-up, if a bundle is incomplete or was altered.
    """
    app = FastAPI(
        title="gaia-redshift",
        version=version("gaia-redshift"),
        description=_DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        license_info={"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
    )
    app.state.settings = settings or Settings()
    app.state.ready = False
    app.add_middleware(BodyLimit, max_bytes=app.state.settings.max_body_bytes)
    for module in (predict, models, health, pages):
        app.include_router(module.router)
    pages.mount_static(app)
    pages.describe_request_body(app)
    app.add_exception_handler(RedshiftError, _redshift_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(Exception, _unexpected_error)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.models = Models(app.state.settings)
    async with AsyncExitStack() as stack:
        for model in app.state.models:
            await stack.enter_async_context(model.batcher)
            _log.info("model %s ready on %s (%s)", model.manifest.name, model.engine.name, model.engine.device)
        app.state.ready = True
        try:
            yield
        finally:
            app.state.ready = False


def _reply(error: RedshiftError, status: int | None = None, code: str | None = None) -> JSONResponse:
    body = {
        "code": code or error.code,
        "message": error.message,
        "details": [asdict(detail) for detail in error.details],
    }
    retry = isinstance(error, OverloadedError | NotReadyError)
    return JSONResponse({"error": body}, status or error.status, {"Retry-After": "1"} if retry else None)


async def _redshift_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RedshiftError)  # noqa: S101 - registered for this class
    return _reply(error)


async def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    code = _HTTP_CODES.get(error.status_code, "http_error")
    reply = _reply(RedshiftError(str(error.detail)), error.status_code, code)
    reply.headers.update(error.headers or {})
    return reply


async def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    details = [Detail(".".join(map(str, problem["loc"])), problem["msg"]) for problem in error.errors()]
    return _reply(InvalidRequestError("the request's parameters are wrong", details))


async def _unexpected_error(_request: Request, _error: Exception) -> JSONResponse:
    return _reply(RedshiftError("an unexpected error; the service's log says more"))
