"""The server: settings, lifespan, error handlers, routers. Nothing but `server` and the tests imports it."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.metadata import version

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from app.api import (
    guide,
    health,
    job_fields,
    job_rows,
    job_summary,
    jobs,
    models,
    nz,
    pages,
    predict,
    predict_csv,
    sources,
    tables,
    vo,
)
from app.errors import HttpError
from app.serving import metrics, tracing
from app.serving.access_log import AccessLogMiddleware, ErrorReplyMiddleware
from app.serving.limits import Limits
from app.serving.origins import READABLE
from app.serving.registry import Models
from app.serving.sample import Inferred
from app.serving.security import Access, Guard
from app.serving.share import LoopShare
from app.serving.start_up import TellWhy
from app.serving.turns import Turns
from app.settings import Settings
from gaia_redshift.errors import Detail, InvalidRequestError, RedshiftError

_log = logging.getLogger("gaia_redshift")

UNREADY = signal.SIGUSR1
"""Signal that makes a worker answer 503 at /health/ready and continue otherwise."""

_INFERRED = 32
"""Jobs whose n(z) is kept, 50 kB each."""

_DESCRIPTION = """
Redshifts of galaxies from Gaia BP/RP spectra: a point estimate, an interval calibrated on simulated galaxies, and
quality flags for each spectrum. Every error has the shape `{"error": {"code", "message", "details"}}`.
"""


def create_app(settings: Settings | None = None, *, when_loaded: Callable[[], None] = lambda: None) -> FastAPI:
    """Create the application; its models are loaded and warmed up at start-up.

    Parameters
    ----------
    settings : Settings, optional
        Read from the environment if not given.
    when_loaded : callable, optional
        Called when the models are loaded, and again after each reload.

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
        redirect_slashes=False,  # the redirect would contain the client's Host header
        telemetry={"tracing": False, "metrics": False, "logs": False},  # `tracing` and `metrics` do it
        license_info={"name": "BSD-3-Clause", "identifier": "BSD-3-Clause"},
    )
    app.state.settings = settings or Settings()
    app.state.ready, app.state.ready_since, app.state.when_loaded = False, None, when_loaded
    app.state.jobs = None
    app.state.large_bodies, app.state.decoding = asyncio.Semaphore(1), LoopShare()
    app.state.samples = asyncio.Semaphore(1)
    app.state.inferred = Inferred(_INFERRED)
    app.state.tables = Turns(app.state.settings.workers)
    app.state.access = Access(app.state.settings)
    _add_middleware(app, app.state.settings)
    for module in (
        *(predict, predict_csv, tables, sources, nz),
        *(jobs, job_fields, job_rows, job_summary),
        *(models, health, vo, pages, guide),
    ):
        # `include_router` would build each of them again during the first request of a process, which takes 100 ms.
        app.router.routes.extend(module.router.routes)
    pages.mount_static(app)
    guide.mount(app)
    pages.describe_request_body(app)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    return app


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """Add the middleware, innermost first; the outermost turns exceptions into replies."""
    app.add_middleware(Limits, settings=settings, seconds_to_drain=lambda: _seconds_to_drain(app))
    app.add_middleware(Guard, access=app.state.access)
    if settings.cors_origins:
        app.add_middleware(ErrorReplyMiddleware)
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-Request-ID"],
            expose_headers=READABLE,
        )
    app.add_middleware(AccessLogMiddleware)
    app.add_middleware(TellWhy)
    if settings.tracing:
        tracing.trace(app)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    app.state.models = Models(settings, metrics.BatchCounter, app.state.when_loaded)
    metrics.QUEUE_LIMIT.set(settings.max_queued_rows)
    metrics.BUNDLES_REFUSED.set(len(app.state.models.refused))
    async with app.state.models as models:
        for model in models:
            _log.info(
                "model %s ready on %s (%s)",
                model.manifest.id,
                model.predictor.engine.name,
                model.predictor.engine.device,
            )
        with _listen_to_signals(app), _keeping_jobs(app):
            _set_ready(app, ready=True)
            try:
                yield
            finally:
                _set_ready(app, ready=False)
    if settings.tracing:
        app.state.tracer_provider.shutdown()


@contextmanager
def _keeping_jobs(app: FastAPI) -> Iterator[None]:
    """Open the jobs' database and files, if jobs are on."""
    if app.state.settings.jobs_folder is None:
        yield
        return
    from app.jobs.desk import Desk

    app.state.jobs = Desk(app.state.settings)
    try:
        yield
    finally:
        app.state.jobs.close()


def _seconds_to_drain(app: FastAPI) -> float:
    seconds: float = app.state.models.seconds_to_drain()
    return seconds


def _set_ready(app: FastAPI, *, ready: bool) -> None:
    app.state.ready = ready
    app.state.ready_since = time.time() if ready else None
    metrics.READY.set(ready)


@contextmanager
def _listen_to_signals(app: FastAPI) -> Iterator[None]:
    """Reload the models on SIGHUP; report not ready on `UNREADY`."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can handle signals
        yield
        return
    tasks: set[asyncio.Task[None]] = set()

    def reload() -> None:
        task = asyncio.create_task(_reload(app.state.models), name="reload")
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, reload)
    loop.add_signal_handler(UNREADY, lambda: _set_ready(app, ready=False))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP, UNREADY))  # delivers those that arrived during the start
    try:
        yield
    finally:
        for sig in (signal.SIGHUP, UNREADY):
            signal.signal(sig, signal.SIG_IGN)  # a late signal must not kill a draining process
        for task in tasks:
            task.cancel()


async def _reload(loaded: Models) -> None:
    """Reload the models; if that fails, the loaded ones stay in use."""
    try:
        await models.reload_here(loaded)
    except RedshiftError as error:
        _log.error("models not reloaded: %s", error.message)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    raise HttpError(str(error.detail), error.status_code, error.headers) from None


async def _validation_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    details = [
        Detail(".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, "))
        for problem in error.errors()
    ]
    first = f"{details[0].at}: {details[0].message}" if details else ""
    raise InvalidRequestError(f"the request's parameters are wrong: {first}", details) from None
