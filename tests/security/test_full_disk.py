"""A temporary folder that uploads have filled, and several workers that keep their metrics somewhere."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from app.errors import StorageFullError
from app.serving import metrics_files
from gaia_redshift.spectra import DR3
from tests.reliability.wire import json_question
from tests.security.hostile import Target, expect_refusal, read_replies
from tests.small_disk import small_disk
from tests.waiting import wait_until

HEADER = ",".join(f"flux_{n}" for n in range(DR3.samples)).encode() + b"\n"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 4 MB."""
    with small_disk(tmp_path / "disk", "4m") as folder:
        yield folder


def test_workers_live_on_and_are_replaced_while_an_upload_fills_the_disk(tmp_path: Path, disk: Path) -> None:
    with Target(tmp_path, workers=2, environment={"TMPDIR": str(disk)}) as target:
        with target.watched(), target.connect() as client:
            client.sendall(b"POST /predict/csv HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\n")
            client.sendall(b"Transfer-Encoding: chunked\r\n\r\n")
            with suppress(ConnectionError, TimeoutError):
                client.settimeout(5)
                for piece in [HEADER, *[b"1," * 50_000] * 60]:
                    client.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            (reply,) = read_replies(client)
            assert expect_refusal(reply, 503) == "storage_full"
        (disk / "filler").write_bytes(b"") if not disk.exists() else None
        with suppress(OSError), (disk / "filler").open("wb") as filler:
            while True:
                filler.write(b"x" * 65536)
                filler.flush()
        for number, (method, path) in enumerate([("GET", "/models"), ("PUT", "/predict"), ("GET", "/nope")] * 10):
            (reply,) = target.send(f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
            assert reply.status == (200, 405, 404)[number % 3]
        question = json_question(5, 5)
        (reply,) = target.send(question.request)
        assert question.fits(reply)  # type: ignore[arg-type]
        large = b"POST /predict/csv HTTP/1.1\r\nHost: a\r\nContent-Type: text/csv\r\nContent-Length: 100000000\r\n\r\n"
        (reply,) = target.send(large)  # and not a byte of it
        assert expect_refusal(reply, 503) == "storage_full"

        for victim in target.workers():
            victim.kill()
            target.wait_for_workers(2, besides=victim.pid)
            target.wait_until_ready()

        def metrics() -> bytes:
            (reply,) = target.send(b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            return reply.body

        assert b'gaia_redshift_errors_total{code="storage_full"} 2.0\n' in metrics(), "what was counted is still there"
        wait_until(lambda: b"gaia_redshift_requests_in_flight 1.0\n" in metrics(), "only this request is worked on")
        assert json.loads(target.send(b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")[0].body) == {"status": "live"}


def test_metrics_go_where_there_is_room_and_take_it_before_a_worker_starts(
    tmp_path: Path, disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (disk / "filler").write_bytes(b"x" * (3 << 20))
    monkeypatch.setattr(metrics_files, "_PLACES", (tmp_path / "nowhere", disk, tmp_path))
    with metrics_files.files_for(2) as folder:
        assert folder.parent == tmp_path
        sizes = {path.name: path.stat().st_blocks * 512 for path in folder.glob("*.db")}
    assert len(sizes) == 2 * len(metrics_files._SIZES) == 10
    assert sum(sizes.values()) >= 2 * sum(metrics_files._SIZES.values())
    assert not folder.exists()
    assert [path.name for path in disk.iterdir()] == ["filler"]
    monkeypatch.setattr(metrics_files, "_PLACES", (disk, disk))
    with pytest.raises(StorageFullError, match="no space for the metrics"), metrics_files.files_for(2):
        pass
