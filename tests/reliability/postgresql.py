"""A PostgreSQL of Debian in a folder of its own, where it is installed (``apt-get install postgresql``)."""

import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.reliability.service import free_port


def find_postgresql() -> Path | None:
    """Return the folder of the newest server's programs; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Cluster:
    """A server with an empty database; use it as a context manager.

    Parameters
    ----------
    folder : Path
    binaries : Path
        As `find_postgresql` returns it.
    """

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
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
        self._folder.mkdir(parents=True)
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
            for folder in self._folder.parents:  # a temporary folder is its owner's alone
                if not folder.stat().st_mode & 1:
                    folder.chmod(folder.stat().st_mode | 0o011)
        self._data = str(self._folder / "data")
        self._run("initdb", "-D", self._data, "-U", "redshift", "-A", "trust", "--no-sync")
        self.start()
        return self

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-D", self._data, "-w", "-t", "60", "-o", options, "-l", f"{self._data}/log", "start")

    def stop(self) -> None:
        """Stop it at once."""
        self._run("pg_ctl", "-D", self._data, "-w", "-m", "immediate", "stop")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
