"""Running the service as its settings say. Imports `processes`, `main`, `serving` and `settings`."""

import gc
import logging
import multiprocessing
import os
import resource
import signal
import threading
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from multiprocessing.process import BaseProcess
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app.api.predict import SmallRequests
from app.main import create_app
from app.processes import Server, Supervisor
from app.serving import logs, memory, metrics_files
from app.serving.fast_path import FastPath
from app.serving.http import surplus
from app.serving.http_protocol import ImpatientProtocol
from app.settings import Settings

_log = logging.getLogger("gaia_redshift")

_HEALTH_CHECK_SECONDS = 30
"""Seconds after which a worker that does not answer its supervisor is replaced; decoding a large body takes a few."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure(settings.log_format, settings.log_level)
    share = _within(_raise_file_limit(), settings.of_one_worker())
    protocol: Any = partial(ImpatientProtocol, share)  # uvicorn calls it like the class
    config = uvicorn.Config(
        partial(make_application, share),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=protocol,
        lifespan="on",  # by default uvicorn serves without, if it fails outside the router
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the fast path reads them if there are any
        log_config=logs.configuration(settings.log_format, settings.log_level),
        timeout_worker_healthcheck=_HEALTH_CHECK_SECONDS,
    )
    sockets = [config.bind_socket()]
    with _jobs(settings):
        if settings.workers == 1:
            Server(config, settings.drain_seconds).run(sockets)
            return
        with metrics_files.files_for(settings.workers) as folder:
            os.environ[metrics_files.FOLDER] = str(folder)
            Supervisor(config, sockets, settings.drain_seconds).run()


def _jobs(settings: Settings) -> AbstractContextManager[None]:
    """Return the context manager that runs the job workers."""
    if settings.jobs_folder is None or not settings.jobs_workers:
        return nullcontext()
    from app.jobs.keeper import keeping

    return keeping(settings)


def make_application(settings: Settings) -> ASGIApp:
    """Create the application, in the worker process."""
    memory.give_back()
    logs.configure(settings.log_format, settings.log_level)
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        threading.Thread(target=_end_after, args=(supervisor,), daemon=True).start()
    app = create_app(settings, when_loaded=spare_the_collector)
    if settings.cors_origins or settings.tracing:  # these must see every request
        return ProxyHeadersMiddleware(app)  # type: ignore[arg-type,return-value]
    return FastPath(app, SmallRequests(app), app.state.access)


_COLLECT_AFTER = 50_000
"""New objects per garbage collection. A body of 10,000 spectra has 20,000; Python's default of 700 costs 5% of the
requests/s."""


def spare_the_collector() -> None:
    """Exclude the objects loaded at start from garbage collection, since visiting them took 40 ms each time.

    Also collect less often: requests leave almost no reference cycles.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def _end_after(supervisor: BaseProcess) -> None:
    """Drain and exit when the supervisor has ended, since nothing would stop this worker otherwise."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _raise_file_limit() -> int:
    """Raise the limit of open files to the system's maximum, since every connection is one; return it."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


_OWN_FILES = 64
"""What a process has open besides: its port, its log, the model, the jobs' database."""


def _within(files: int, settings: Settings) -> Settings:
    """Return settings with no more connections than the system allows open files, so that none is dropped unanswered.

    A connection is a file, and may have another on the disk; those beyond the limit are looked at for a moment.
    """
    room = max(1, (files - _OWN_FILES - surplus.most()) // 2)
    if files == resource.RLIM_INFINITY or room >= settings.max_connections:
        return settings
    _log.warning(
        "at most %s connections are open at once, not %s: the system allows %s open files (ulimit -n)",
        room,
        settings.max_connections,
        files,
    )
    return settings.model_copy(update={"max_connections": room})
