"""A PostgreSQL of Debian, where it is installed (``apt-get install postgresql``)."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.reliability.service import free_port


def find_postgresql() -> Path | None:
    """Return the folder of the newest server's programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Cluster:
    """A server with an empty database, in a temporary folder; use it as a context manager.

    Not below pytest's folder: every run of pytest closes that to all others, and as root the server is another's.

    Parameters
    ----------
    binaries : Path
        As `find_postgresql` returns it.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._port = free_port()

    @property
    def url(self) -> str:
        """SQLAlchemy's address."""
        return f"postgresql://redshift@127.0.0.1:{self._port}/postgres"

    def _run(self, *command: str) -> None:
        """Run one of its programs: not as root, which it refuses."""
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        done = subprocess.run(
            [*user, str(self._binaries / command[0]), *command[1:]],
            check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, cwd="/",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="postgresql-")
        if os.geteuid() == 0:
            shutil.chown(self._folder.name, "postgres")
        self._data = f"{self._folder.name}/data"
        self._run("initdb", "-D", self._data, "-U", "redshift", "-A", "trust", "--no-sync")
        self.start()
        return self

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder.name} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-o", options, "-l", f"{self._data}/log", "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._folder.cleanup()
