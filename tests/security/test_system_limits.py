"""A service whose system lets it open few files, or write no large ones: who cannot be served is told, and it lives."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.security.bombs import many_rows
from tests.security.corpus import NAMES, ROW
from tests.security.files import CSV, PARQUET, TABLE
from tests.security.hostile import Target, expect_refusal, read_replies

LARGE = f"{NAMES}\n".encode() + f"{ROW}\n".encode() * 2000
"""Beyond what is kept in memory."""
SPECTRUM = f'{{"spectra":[{{"flux":[{ROW}]}}]}}'.encode()
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n%b\r\n--x--\r\n'
_LIMIT = """
import os, resource, sys
limit = int(sys.argv[2])
resource.setrlimit(getattr(resource, sys.argv[1]), (limit, limit))
os.execvp(sys.argv[3], sys.argv[3:])
"""


def limited(name: str, limit: int) -> tuple[str, ...]:
    """Return what a command stands behind that may not have more of something."""
    return sys.executable, "-c", _LIMIT, name, str(limit)


@pytest.fixture(scope="module")
def at_rest(tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how many files a service has open when nobody asks."""
    with Target(tmp_path_factory.mktemp("free")) as target:
        return psutil.Process(target.process.pid).num_fds()


@pytest.fixture(scope="module")
def small_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """Yield a service whose files may not be larger than a megabyte; nor may its log."""
    with Target(tmp_path_factory.mktemp("small"), prefix=limited("RLIMIT_FSIZE", 1_000_000)) as target:
        yield target


@pytest.mark.parametrize("path", ["/predict/csv", "/predict/table", "/predict/table?format=fits", "/nz"])
@pytest.mark.parametrize("form", [False, True])
def test_an_upload_larger_than_a_file_may_be_is_503(small_files: Target, path: str, form: bool) -> None:
    body, kind = (FORM % LARGE, "multipart/form-data; boundary=x") if form else (LARGE, CSV)
    with small_files.watched():
        reply = small_files.post(path, body, kind)
    assert expect_refusal(reply, 503) == "storage_full"
    assert reply.headers["retry-after"]
    assert small_files.post("/predict", SPECTRUM, "application/json").status == 200


def test_an_answer_larger_than_a_file_may_be_is_503(small_files: Target) -> None:
    """Some kilobytes that are answered with a megabyte and a half."""
    with small_files.watched():
        reply = small_files.post("/predict/table?format=csv", many_rows(30_000), PARQUET)
    assert expect_refusal(reply, 503) == "storage_full"


@pytest.mark.parametrize("more", [3, 4])
def test_an_upload_for_which_no_file_can_be_opened_is_refused(tmp_path: Path, at_rest: int, more: int) -> None:
    limit = limited("RLIMIT_NOFILE", at_rest + more)
    with Target(tmp_path, prefix=limit) as target:
        for path, body, kind in [
            ("/predict/csv", LARGE, CSV),
            ("/predict/csv", FORM % LARGE, "multipart/form-data; boundary=x"),
            ("/predict/table", LARGE, CSV),
        ] * 2:
            reply = target.post(path, body, kind)
            if reply.status != 200:
                assert expect_refusal(reply, 429, 503) in {"storage_full", "too_many_connections"}
        assert target.post("/predict/csv", TABLE, CSV).status == 200
        assert target.post("/predict", SPECTRUM, "application/json").status == 200
        assert target.stop() == 0


def test_more_connections_than_open_files_are_refused_and_none_is_dropped(tmp_path: Path) -> None:
    """The limit that many container engines set is below the connections that the service allows."""
    with Target(tmp_path, prefix=limited("RLIMIT_NOFILE", 300), head_seconds=60) as target:
        with ExitStack() as stack:
            clients = [stack.enter_context(target.connect()) for _ in range(400)]
            (reply,) = target.send(LIVE)
            assert reply.status == 200
            told = 0
            for client in clients[54:]:  # (300 - 64 - 128) / 2 are let in
                (reply,) = read_replies(client)
                told += expect_refusal(reply, 429) == "too_many_connections"
            assert told == 346
            clients[0].sendall(b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n")
            clients[0].sendall(b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
            (reply,) = read_replies(clients[0])
            assert reply.status == 200
        assert [line for line in target.lines() if "open files" in str(line.get("event"))]
