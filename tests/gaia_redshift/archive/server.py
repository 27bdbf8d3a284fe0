"""A DataLink and TAP service on loopback that answers as Gaia's archive does, its faults included."""

import io
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import numpy as np
import pyarrow

from gaia_redshift.tables.formats import FORMATS


@dataclass
class Sky:
    """The service's data and its faults."""

    ids: list[int] = field(default_factory=lambda: list(range(100, 200)))
    failures: list[int] = field(default_factory=list)
    """Statuses of the next answers; 0 stalls, -1 hangs up."""
    names: tuple[str, ...] = ("XP_CONTINUOUS",)
    upper: bool = False
    """Whether the columns' names are in capitals."""
    phases: list[str] = field(default_factory=list)
    """Phases of a job before it is done; a pending one waits to be started."""
    requests: list[dict[str, str]] = field(default_factory=list)
    url: str = ""


def spectra(ids: list[int], *, upper: bool = False) -> bytes:
    """Return the archive's FITS for some sources; the coefficients identify the source."""
    columns: dict[str, pyarrow.Array] = {"source_id": pyarrow.array(ids, pyarrow.int64())}
    for band in ("bp", "rp"):
        values = np.repeat(np.array(ids, np.float64)[:, None], 55, axis=1) / 100
        columns[f"{band}_coefficients"] = pyarrow.array(list(values), pyarrow.list_(pyarrow.float64()))
        columns[f"{band}_n_relevant_bases"] = pyarrow.array([3] * len(ids), pyarrow.int16())
    named = {name.upper() if upper else name: column for name, column in columns.items()}
    file = io.BytesIO()
    writer = FORMATS["fits"].writer(file, {})
    writer.write(pyarrow.RecordBatch.from_pydict(named))
    writer.close()
    return file.getvalue()


@contextmanager
def serving(sky: Sky) -> Iterator[Sky]:  # noqa: C901 - one service
    """Serve until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Log nothing."""

        def reply(self, content: bytes, status: int = 200, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            form = {key: value[0] for key, value in parse_qs(self.rfile.read(length).decode()).items()}
            if self.path == "/tap/async":
                self.reply(b"", 303, Location=f"{sky.url}/tap/async/1")
                sky.requests.append(form)
                return
            sky.requests.append(form)
            if self.path.endswith("/phase"):
                self.reply(b"", 303, Location=f"{sky.url}/tap/async/1")
                return
            failure = sky.failures.pop(0) if sky.failures else 200
            if failure == 0:
                time.sleep(2)
            if failure == -1:
                self.close_connection = True
                return
            if failure not in {0, 200}:
                self.reply(b"it is broken", failure)
                return
            if form["RETRIEVAL_TYPE"] not in sky.names:
                self.reply(b"Invalid retrieval_type", 400)
                return
            asked = {int(one) for one in form["ID"].split(",")}
            found = [one for one in reversed(sky.ids) if one in asked]  # in an order of its own
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                if found:
                    archive.writestr(f"{form['RETRIEVAL_TYPE']}_RAW.fits", spectra(found, upper=sky.upper))
            self.reply(packed.getvalue())

        def do_GET(self) -> None:
            if self.path.endswith("/phase"):
                self.reply((sky.phases.pop(0) if sky.phases else "COMPLETED").encode())
            elif self.path.endswith("/error"):
                self.reply(b"no column\n'nothing'")
            elif self.path.endswith("/results/result"):
                file = io.BytesIO()
                writer = FORMATS["votable"].writer(file, {})
                rows = {"source_id": pyarrow.array(sky.ids[:3], pyarrow.int64()), "z": [0.1, 0.2, 0.3]}
                writer.write(pyarrow.RecordBatch.from_pydict(rows))
                writer.close()
                self.reply(file.getvalue())
            else:
                self.reply(b"")

    spectra([1])  # loads the writer, which would take too long for the first client
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    sky.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield sky
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
