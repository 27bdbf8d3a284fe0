"""Addresses: object storage that refuses, and a file system that only fsspec knows."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.bulk import storage
from gaia_redshift.bulk.run import run
from gaia_redshift.errors import InvalidInputError
from tests.gaia_redshift.bulk.files import here, outputs, predicting, write_spectra

KEY = "AKIAEXAMPLE"
"""Credentials in an address, which must not appear in any output."""


class Refusing(BaseHTTPRequestHandler):
    """An S3 service that lists one file and refuses to send it."""

    def do_GET(self) -> None:
        if "list-type=2" in self.path and "denied" not in self.path:
            keys = "".join(
                f"<Contents><Key>xp/{n}.csv</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                "<ETag>&quot;1&quot;</ETag><Size>9</Size></Contents>"
                for n in range(2)
            )
            body = f"<ListBucketResult><Name>b</Name><KeyCount>2</KeyCount>{keys}</ListBucketResult>"
            self._answer(200, body)
            return
        self._answer(403, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")

    def do_HEAD(self) -> None:
        self.send_response(403 if "denied" in self.path or ".csv" in self.path else 404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, body: str) -> None:
        content = f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def options(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the options of an address of the refusing service."""
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"?region=eu-west-1&scheme=http&endpoint_override=127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_refused_credentials_cost_the_files_behind_them_and_no_others(
    tmp_path: Path, models: Path, options: str
) -> None:
    mine = write_spectra(tmp_path / "mine.parquet", 10)
    made = run(predicting(models), [f"s3://{KEY}:x@b/xp{options}", str(mine)], str(tmp_path / "out"), here)
    assert sorted(job.name for job, _ in made.failures) == ["0.parquet", "1.parquet"]
    for _, failure in made.failures:
        assert failure.code == "storage_refused"
        assert "ACCESS_DENIED" in failure.message
    assert list(outputs(tmp_path / "out")) == ["mine.parquet"]
    for left in ("manifest.json", "summary.html"):
        assert KEY not in (tmp_path / "out" / left).read_text()


def test_a_place_that_may_not_even_be_listed_is_refused_at_once(options: str) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot be listed: .*ACCESS_DENIED"):
        storage.find(f"s3://{KEY}:x@b/denied{options}")


def test_any_file_system_of_fsspec_is_read_and_written(tmp_path: Path, models: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    for number in range(2):
        local = write_spectra(tmp_path / "in" / f"{number}.parquet", 30, number)
        memory.pipe(f"/xp/deep/{number}.parquet", local.read_bytes())
    try:
        made = run(predicting(models), ["memory://xp/**/*.parquet"], "memory://results", here)
        assert (made.failures, made.rows) == ([], 60)
        again = run(predicting(models), ["memory://xp/**/*.parquet"], "memory://results", here)
        assert len(again.earlier) == 2
        names = sorted(memory.find("/results"))
        assert names == [
            f"/results/{name}" for name in ("deep/0.parquet", "deep/1.parquet", "manifest.json", "summary.html")
        ]
        run(predicting(models), [str(tmp_path / "in")], str(tmp_path / "out"), here)
        for number in range(2):
            table = parquet.read_table(pyarrow.BufferReader(memory.cat(f"/results/deep/{number}.parquet")))
            local = parquet.read_table(tmp_path / "out" / f"{number}.parquet")
            assert table.equals(local)
    finally:
        memory.rm("/", recursive=True)
        storage.file_system.cache_clear()
