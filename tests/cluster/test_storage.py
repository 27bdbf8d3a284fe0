"""Whole runs on object storage, S3 by moto and GCS by its emulator: the bits of local files, whatever is killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from pyarrow import parquet

from gaia_redshift.bulk import storage
from gaia_redshift.bulk.run import run
from tests.gaia_redshift.bulk.files import here, outputs, predicting, write_spectra
from tests.gaia_redshift.bulk.test_killed import Command
from tests.reliability.service import free_port

FILES, ROWS = 8, 2000
DONE = 3
"""Files after which the driver is killed; each of its two processes works on another one then."""

KILLED = f"""
import os, signal, sys
from functools import partial
from pathlib import Path
from gaia_redshift.bulk.local import run_here
from gaia_redshift.bulk.run import run
from tests.gaia_redshift.bulk.files import predicting
if __name__ == "__main__":
    done = []
    def until(job, outcome):
        assert outcome.failure is None, outcome.failure
        done.append(job)
        if len(done) == {DONE}:
            os.kill(os.getpid(), signal.SIGKILL)
    run(predicting(Path(sys.argv[1])), [sys.argv[2]], sys.argv[3], partial(run_here, processes=2), done=until)
"""


@pytest.fixture(params=["s3", "gcs"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of an empty bucket, with `{}` for the path."""
    port = free_port()
    if request.param == "s3":
        pytest.importorskip("moto", reason="not installed: make cluster-test")
        words = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        options = "region=us-east-1&allow_bucket_creation=true"
        address = f"s3://survey{{}}?endpoint_override=127.0.0.1:{port}&scheme=http&{options}"
    else:
        pytest.importorskip("gcp_storage_emulator", reason="not installed: make cluster-test")
        words = ["-m", "gcp_storage_emulator", "start", "--host", "127.0.0.1", "--port", str(port), "--in-memory"]
        words += ["--quiet", "--default-bucket", "survey"]
        address = f"gs://anonymous@survey{{}}?endpoint_override=127.0.0.1:{port}&scheme=http"
    for name, value in {
        "AWS_ACCESS_KEY_ID": "tested", "AWS_SECRET_ACCESS_KEY": "tested", "AWS_EC2_METADATA_DISABLED": "true"
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            while not _listens(port):
                assert server.poll() is None, "the storage did not start"
                time.sleep(0.1)
            system, path = storage.file_system(address.format(""))
            system.create_dir(path)
            yield address
        finally:
            server.kill()


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def fetched(place: str, folder: Path) -> Path:
    """Return a local copy of all files of a folder."""
    for found in storage.find(place):
        path = folder / found.name
        path.parent.mkdir(parents=True, exist_ok=True)
        with storage.reading(found.place) as file:
            path.write_bytes(file.read())
    return folder


def test_a_killed_run_is_finished_by_the_same_command_and_leaves_nothing_else(
    tmp_path: Path, models: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(FILES):
        local = write_spectra(tmp_path / "in" / f"{number}.parquet", ROWS, number)
        with storage.writing(bucket.format(f"/xp/{local.name}"), "put") as file:
            file.write(local.read_bytes())
    source, out = bucket.format("/xp"), bucket.format("/redshifts")
    words = [sys.executable, "-c", KILLED, str(models), source, out]
    root = Path(__file__).parents[2]
    with subprocess.Popen(words, env={**os.environ, "PYTHONPATH": str(root)}, cwd=root) as driver:
        children: list[psutil.Process] = []
        while driver.poll() is None:
            children = psutil.Process(driver.pid).children(recursive=True) or children
            time.sleep(0.05)
    assert driver.returncode == -signal.SIGKILL
    _, alive = psutil.wait_procs(children)
    assert not alive, "processes outlive the command that started them"
    before = fetched(out, tmp_path / "before")
    code, said = Command(source, out, models).end()
    assert code == 0, said
    assert f"{FILES} of {FILES} files, {len(outputs(before))} of them by earlier runs" in said
    assert DONE <= len(outputs(before)) < FILES
    assert [one.name for one in storage.find(out) if one.name.endswith(".part")] == []

    made = outputs(fetched(out, tmp_path / "made"))
    run(predicting(models), [source], str(tmp_path / "undisturbed"), here)
    assert made == outputs(tmp_path / "undisturbed")
    run(predicting(models), [str(tmp_path / "in")], str(tmp_path / "local"), here)
    for name in made:
        found, known = (parquet.read_table(tmp_path / folder / name) for folder in ("made", "local"))
        assert found.replace_schema_metadata() == known.replace_schema_metadata()
