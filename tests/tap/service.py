"""DaCHS on a PostgreSQL of its own, with a small simulated catalogue in the tables that the shipped ADQL asks.

Needs Debian's gavodachs2-server, postgresql-15-pgsphere and postgresql-15-q3c. Everything is kept in one temporary
folder and ends with the block.
"""

import csv
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.reliability.service import free_port

_USER = "dachsroot"
"""Debian's account of DaCHS: neither PostgreSQL nor DaCHS runs as root."""
_SECONDS = 120.0

Rows = list[dict[str, object]]


class _Commands:
    """Runs programs in the folder, as a user that may."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._as_user = ["runuser", "-u", _USER, "--"] if os.getuid() == 0 else []
        path = ":".join(
            [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]]
        )
        self._environment = {
            "PATH": path,
            "HOME": str(folder),
            "GAVOSETTINGS": str(folder / "gavo.rc"),
            "LANG": "C.UTF-8",
        }

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            return subprocess.Popen(
                [*self._as_user, *command], cwd=self._folder, env=self._environment, stdout=log, stderr=log
            )

    def run(self, *command: str) -> None:
        assert self.start(*command).wait() == 0, f"{' '.join(command)}\n{(self._folder / 'log').read_text()[-3000:]}"


@contextmanager
def serving(folder: Path, tables: dict[str, Rows]) -> Iterator[str]:
    """Serve tables of the schema ``gaiadr3`` by name, and give the address of the TAP service."""
    inputs = folder / "gavo" / "inputs" / "gaiadr3"
    database, port = free_port(), free_port()
    url = f"http://127.0.0.1:{port}"
    (folder / "gavo.rc").write_text(
        f"[general]\nrootDir: {folder / 'gavo'}\n[web]\nbindAddress: 127.0.0.1\nserverPort: {port}\nserverURL: {url}\n"
    )
    if os.getuid() == 0:
        shutil.chown(folder, _USER)
    commands = _Commands(folder)
    cluster = str(folder / "cluster")
    commands.run("initdb", "-D", cluster, "-U", _USER, "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-p {database} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
    commands.run("pg_ctl", "-D", cluster, "-o", options, "-l", str(folder / "postgres.log"), "-w", "start")
    try:
        dsn = f"host=127.0.0.1 port={database} dbname=gavo user={_USER}"
        commands.run("createdb", "-h", "127.0.0.1", "-p", str(database), "-U", _USER, "gavo")
        commands.run("dachs", "init", "-d", dsn)
        (inputs / "data").mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "gaiadr3.rd", inputs / "q.rd")
        for name, rows in tables.items():
            with (inputs / "data" / f"{name}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        commands.run("dachs", "imp", "gaiadr3/q")
        server = commands.start("dachs", "serve", "debug")
        try:
            _wait(f"{url}/tap/availability", server, folder)
            yield f"{url}/tap"
        finally:
            server.terminate()
            server.wait(_SECONDS)
    finally:
        commands.run("pg_ctl", "-D", cluster, "-m", "immediate", "stop")


def _wait(url: str, server: subprocess.Popen[bytes], folder: Path) -> None:
    end = time.monotonic() + _SECONDS
    while True:
        try:
            if httpx.get(url, timeout=10).is_success:
                return
        except httpx.TransportError:
            pass
        assert server.poll() is None, (folder / "log").read_text()[-3000:]
        assert time.monotonic() < end, (folder / "log").read_text()[-3000:]
        time.sleep(0.2)
