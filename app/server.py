"""Running the service: one process, or a supervisor with several. Imports `main`, `protocol` and `settings`.

SIGTERM drains: the process turns unready, waits `drain_seconds` for whoever routes to it to notice, lets nobody new
connect, accepts who has connected, answers every request that they have sent, and exits with 0. SIGHUP reloads the
models in place, in every worker.
"""

import gc
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
from app.serving.http import arrivals
from app.serving.http_protocol import ImpatientProtocol
from app.settings import Settings

_HEALTH_CHECK_SECONDS = 30
"""A worker that does not answer its supervisor this long hangs, and is replaced; decoding a large body takes a few."""

_LOOK_FOR_SIGNALS_S = 0.1
"""How long a signal to the supervisor waits while it asks a worker for its health."""


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    logs.configure(settings.log_format, settings.log_level)
    _raise_file_limit()
    share = settings.of_one_worker()
    protocol: Any = partial(ImpatientProtocol, share)  # called like the class
    config = uvicorn.Config(
        partial(make_application, share),
        factory=True,
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        http=protocol,
        ws="none",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # the fast path reads them where there are any
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
    """Return what keeps processes that work on jobs."""
    if settings.jobs_folder is None or not settings.jobs_workers:
        return nullcontext()
    from app.jobs.keeper import keeping

    return keeping(settings)


def make_application(settings: Settings) -> ASGIApp:
    """Make the application in the process that serves it."""
    memory.give_back()
    logs.configure(settings.log_format, settings.log_level)
    supervisor = multiprocessing.parent_process()
    if supervisor is not None:
        threading.Thread(target=_end_after, args=(supervisor,), daemon=True).start()
    app = create_app(settings, when_loaded=spare_the_collector)
    if settings.cors_origins or settings.tracing:  # these want to see every request
        return ProxyHeadersMiddleware(app)  # type: ignore[arg-type,return-value]
    return FastPath(app, SmallRequests(app), app.state.access)


_COLLECT_AFTER = 50_000
"""New objects, of which a body of 10,000 spectra has 20,000; Python's own 700 cost a twentieth of all requests/s."""


def spare_the_collector() -> None:
    """Let the garbage collector pass over what was loaded to stay: looking at all of it took 40 ms, time and again.

    And let it look seldom: a request leaves next to nothing that only it would find.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, *gc.get_threshold()[1:])


def _end_after(supervisor: BaseProcess) -> None:
    """Drain and end when the supervisor is gone: nobody would ever replace or stop this worker."""
    supervisor.join()
    os.kill(os.getpid(), signal.SIGTERM)


def _raise_file_limit() -> None:
    """Allow as many open files as the system lets us: every connection is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Server(uvicorn.Server):
    """One process."""

    def __init__(self, config: uvicorn.Config, drain_seconds: float) -> None:
        super().__init__(config)
        self._drain_seconds = drain_seconds

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Turn unready at once, and stop accepting after `drain_seconds`; a second signal does not wait."""
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
        """Answer who has connected. The signal has then done its work: the process exits with 0."""
        if self.config.workers == 1:  # else the port is that of others, too, and their supervisor shuts it
            arrivals.take_no_more(sockets or ())
        await arrivals.accept_waiting(sockets or ())
        await super().shutdown(sockets)
        self._captured_signals.clear()


class Worker(multiprocess.Process):
    """One process of several.

    Parameters
    ----------
    signals : list of int
        Those that its supervisor has got and not handled yet.
    config, sockets
        As uvicorn passes them.
    """

    def __init__(self, signals: list[int], config: uvicorn.Config, sockets: list[socket]) -> None:
        super().__init__(config, sockets)
        self._signals = signals

    def ping(self, timeout: float = 5) -> bool:
        """Return whether the worker answers in time; a signal to the supervisor does not wait for a slow one."""
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
        """What runs in it; its supervisor waits for the drain."""
        if self._server is None:
            self._server = Server(self.config, 0)
        assert isinstance(self._server, Server)  # noqa: S101 - made above
        return self._server


@contextmanager
def _signals_held_back() -> Iterator[None]:
    """Let processes that are started here begin with these signals held back: they have no handlers yet."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGHUP, UNREADY))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Supervisor(Multiprocess):
    """Several processes on one port; uvicorn replaces the one that crashes or hangs."""

    def __init__(self, config: uvicorn.Config, sockets: list[socket], drain_seconds: float) -> None:
        super().__init__(config, sockets)
        multiprocess.Process = partial(Worker, self.signal_queue)  # type: ignore[misc,assignment] # its workers
        self._drain_seconds = drain_seconds
        signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGHUP,))  # its handler is there

    def init_processes(self) -> None:
        """Start the workers."""
        with _signals_held_back():
            super().init_processes()
        self._leave_the_pipes_to_the_workers()

    def keep_subprocess_alive(self) -> None:
        """Replace dead workers; the new one takes over the old one's metrics."""
        with _signals_held_back():
            super().keep_subprocess_alive()
        self._leave_the_pipes_to_the_workers()

    def _leave_the_pipes_to_the_workers(self) -> None:
        """Close our copy of the end that a worker answers through.

        With it open, a worker that dies while it is asked for its health is waited for as if it were slow.
        """
        for process in self.processes:
            process.child_conn.close()

    def handle_hup(self) -> None:
        """Let every worker reload its models in place: uvicorn would restart them, and close their connections."""
        self._tell(signal.SIGHUP)

    def handle_term(self) -> None:
        """Let every worker turn unready, and stop them after `drain_seconds`."""
        self._tell(UNREADY)
        self.should_exit.wait(self._drain_seconds)
        super().handle_term()

    def terminate_all(self) -> None:
        """Stop the workers, and let nobody queue at a door that will not open again."""
        arrivals.take_no_more(self.sockets)
        super().terminate_all()
        for listening in self.sockets:
            listening.close()

    def _tell(self, sig: signal.Signals) -> None:
        for process in self.processes:
            if process.pid is not None and process.exitcode is None:
                os.kill(process.pid, sig)
