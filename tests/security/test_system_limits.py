"""A service whose system lets it open few files, or write no large ones: who cannot be served is told, and it lives."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.security.bombs import many_rows
from tests.security.corpus import NAMES, ROW
from tests.security.files import CSV, PARQUET
from tests.security.hostile import Target, expect_refusal, read_replies

LARGE = f"{NAMES}\n".encode() + f"{ROW}\n".encode() * 2000
"""Beyond what is kept in memory."""
SPECTRUM = f'{{"spectra":[{{"flux":[{ROW}]}}]}}'.encode()
LIVE = b"GET /health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n%b\r\n--x--\r\n'
FEW_FILES = "sh", "-c", 'ulimit -n 300; exec "$@"', "sh"


@contextmanager
def limited(target: Target, what: int, most: int) -> Iterator[None]:
    """Limit a resource of the process for a while."""
    process = psutil.Process(target.process.pid)
    soft, hard = process.rlimit(what)
    process.rlimit(what, (most, hard))
    try:
        yield
    finally:
        process.rlimit(what, (soft, hard))


@pytest.mark.parametrize("path", ["/predict/csv", "/predict/table", "/predict/table?format=fits", "/nz"])
@pytest.mark.parametrize("form", [False, True])
def test_an_upload_larger_than_a_file_may_be_is_503(target: Target, path: str, form: bool) -> None:
    body, kind = (FORM % LARGE, "multipart/form-data; boundary=x") if form else (LARGE, CSV)
    with target.watched(), limited(target, psutil.RLIMIT_FSIZE, 1_000_000):
        reply = target.post(path, body, kind)
    assert expect_refusal(reply, 503) == "storage_full"
    assert reply.headers["retry-after"]
    assert target.post("/predict", SPECTRUM, "application/json").status == 200


def test_an_answer_larger_than_a_file_may_be_is_503(target: Target) -> None:
    """Some kilobytes that are answered with a megabyte and a half."""
    with target.watched(), limited(target, psutil.RLIMIT_FSIZE, 1_000_000):
        reply = target.post("/predict/table?format=csv", many_rows(30_000), PARQUET)
    assert expect_refusal(reply, 503) == "storage_full"


def least_files(target: Target) -> int:
    """Return the number of open files when idle; earlier connections may need a moment to end."""
    process, found = psutil.Process(target.process.pid), []
    for _ in range(10):
        found.append(process.num_fds())
        time.sleep(0.05)
    return min(found)


def test_an_upload_for_which_no_file_can_be_opened_is_503(target: Target) -> None:
    """One file is left for its connection; if an older connection took it, the upload is sent again."""
    for path, body, kind in [
        ("/predict/csv", LARGE, CSV),
        ("/predict/csv", FORM % LARGE, "multipart/form-data; boundary=x"),
        ("/predict/table", LARGE, CSV),
    ]:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\nConnection: close\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        with limited(target, psutil.RLIMIT_NOFILE, least_files(target) + 1):
            replies = next(replies for _ in range(100) if (replies := target.send(request)))
        assert expect_refusal(replies[0], 503) == "storage_full"
        with target.watched():
            assert target.post(path, body, kind).status == 200


def test_more_connections_than_open_files_are_refused_and_none_is_dropped(tmp_path: Path) -> None:
    """The limit that many container engines set is below the connections that the service allows."""
    with Target(tmp_path, prefix=FEW_FILES, head_seconds=60) as target:
        with ExitStack() as stack:
            clients = [stack.enter_context(target.connect()) for _ in range(400)]
            (reply,) = target.send(LIVE)
            assert reply.status == 200
            told = 0
            for client in clients[80:]:  # (300 - 64 - 75) / 2 are let in, and 75 more are kept for a moment
                (reply,) = read_replies(client)
                told += expect_refusal(reply, 429) == "too_many_connections"
            assert told == 320
            clients[0].sendall(b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\n")
            clients[0].sendall(b"Content-Length: %d\r\n\r\n" % len(LARGE) + LARGE)
            (reply,) = read_replies(clients[0])
            assert reply.status == 200
        assert [line for line in target.lines() if "open files" in str(line.get("event"))]
