"""The processes of the service: the server of one, and the supervisor of several. Imports `main` and `serving`.

On SIGTERM the process drains: it reports that it is not ready, waits `drain_seconds` for load balancers to notice,
refuses new connections, answers every request already sent on the existing ones, and exits with 0. SIGHUP reloads the
models in every worker without a restart. A start that fails exits with 3, in whichever process.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from socket import socket
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import Multiprocess, multiprocess

from app.main import UNREADY
from app.serving.http import arrivals
from app.serving.http.listener import Listener

_LOOK_FOR_SIGNALS_S = 0.1
"""Seconds between checks for a signal while the supervisor waits for a worker's answer."""

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
        self._listener = Listener(sockets or (), make_protocol, _BACKLOG, self.config.workers)
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

    def run(self) -> None:
        """Run the workers; raises SystemExit if one of them could not start, for which uvicorn would exit with 0."""
        super().run()
        if any(process.exitcode == STARTUP_FAILURE for process in self.processes):
            raise SystemExit(STARTUP_FAILURE)

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
