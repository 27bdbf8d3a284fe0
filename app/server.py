"""Running the service: one process, or a supervisor with several workers. Imports `main`, `serving` and `settings`.

On SIGTERM the process drains: it reports that it is not ready, waits `drain_seconds` for load balancers to notice,
refuses new connections, answers every request already sent on the existing ones, and exits with 0. SIGHUP reloads the
models in every worker without a restart.
"""

import gc
import logging
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from multiprocessing.process import BaseProcess
from socket import socket
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.supervisors import Multiprocess, multiprocess

from app.api.predict import SmallRequests
from app.main import UNREADY, create_app
from app.serving import logs, memory, metrics_files
from app.serving.fast_path import FastPath
from app.serving.http import arrivals, surplus
from app.serving.http.listener import Listener
from app.serving.http_protocol import ImpatientProtocol
from app.settings import Settings

_log = logging.getLogger("gaia_redshift")

_HEALTH_CHECK_SECONDS = 30
"""Seconds after which a worker that does not answer its supervisor is replaced; decoding a large body takes a few."""

_LOOK_FOR_SIGNALS_S = 0.1
"""Seconds between checks for a signal while the supervisor waits for a worker's answer."""


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


_BACKLOG = 4096
"""Connections that wait to be accepted; Linux allows no more by default. Further ones try again after a second."""


class Server(uvicorn.Server):
    """The server of one process."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds
        self._listener: Listener | None = None

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application, then listen."""
        await super().startup([])
        protocol: Any = self.config.http_protocol_class
        make_protocol = partial(
            protocol,
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
        )
        self._listener = Listener(sockets or (), make_protocol, _BACKLOG)
        self.servers.append(self._listener)  # type: ignore[arg-type] # what uvicorn closes

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Report not ready at once, and stop after `drain_seconds`; a second signal stops immediately."""
        draining = bool(self._captured_signals)
        if signal.getsignal(UNREADY) is not signal.SIG_DFL:
            signal.raise_signal(UNREADY)
        if draining or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        self._captured_signals.append(sig)
        timer = threading.Timer(self._drain_seconds, super().handle_exit, (sig, frame))
        timer.daemon = True
        timer.start()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Answer the connections that exist; the signal counts as handled, so that the process exits with 0."""
        if self.config.workers == 1:  # else the workers share the port, and the supervisor closes it
            arrivals.take_no_more(sockets or ())
        await arrivals.accept_waiting(sockets or ())
        if self._listener is not None:
            await self._listener.settled()
        await super().shutdown(sockets)
        self._captured_signals.clear()


class Worker(multiprocess.Process):
    """One of several worker processes.

    Parameters
    ----------
    signals : list of int
        Signals that the supervisor has received and not yet handled.
    config, sockets
        As uvicorn passes them.
    """

    def __init__(self, signals: list[int], config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._signals = signals

    def ping(self, timeout: float = 5) -> bool:
        """Return whether the worker answers in time; waiting ends early if the supervisor receives a signal."""
        deadline = time.monotonic() + timeout
        try:
            self.parent_conn.send(b"ping")
            while not self.parent_conn.poll(_LOOK_FOR_SIGNALS_S):
                if self._signals:
                    return True
                if time.monotonic() > deadline:
                    return False
            self.parent_conn.recv()
        except (OSError, EOFError):
            return False
        return True

    @property
    def server(self) -> Server:
        """Run the server in the worker process; the supervisor waits until it has drained."""
        if self._server is None:
            self._server = Server(self.config, 0)
        assert isinstance(self._server, Server)  # noqa: S101 - made above
        return self._server


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Start processes with these signals blocked, until they have installed their handlers."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, UNREADY))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor(Multiprocess):
    """Runs several workers on one port; uvicorn replaces a worker that crashes or hangs."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], drain_seconds: float) -> None:
        super().__init__(config, sockets)
        multiprocess.Process = partial(Worker, self.signal_queue)  # type: ignore[misc,assignment] # its workers
        self._drain_seconds = drain_seconds
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))  # the handler is installed

    def init_processes(self) -> None:
        """Start the workers."""
        with _signals_held_back():
            super().init_processes()
        self._leave_the_pipes_to_the_workers()

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers; a new worker takes over the metrics of the old one."""
        with _signals_held_back():
            super().keep_subprocess_alive()
        self._leave_the_pipes_to_the_workers()

    def _leave_the_pipes_to_the_workers(self) -> None:
        """Close the supervisor's copy of the pipe end that a worker answers through.

        If it stays open, a worker that dies during a health check is treated like a slow one.
        """
        for process in self.processes:
            process.child_conn.close()

    def handle_hup(self) -> None:
        """Make every worker reload its models; uvicorn would restart the workers and close their connections."""
        self._tell(signal.SIGHUP)

    def handle_term(self) -> None:
        """Make every worker report not ready, and stop them after `drain_seconds`."""
        self._tell(UNREADY)
        self.should_exit.wait(self._drain_seconds)
        super().handle_term()

    def terminate_all(self) -> None:
        """Stop the workers, and refuse new connections, which would never be accepted."""
        arrivals.take_no_more(self.sockets)
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def _tell(self, sig: signal.Signals) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, sig)
