"""How the service starts, whatever happens to it meanwhile and whatever lies beside its models."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability.service import Service, is_ready
from tests.tiny import write_tiny_bundle
from tests.waiting import wait_until


def wait_for_python(pid: int) -> None:
    """Wait until a process blocks SIGHUP, which is possible only after its first module is loaded."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        held = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigBlk"))
        if int(held.split()[1], 16) >> (signal.SIGHUP - 1) & 1:
            return
        time.sleep(0.005)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_to_reload_during_the_start_does_not_end_it(tmp_path: Path, workers: int) -> None:
    service = Service(tmp_path, workers=workers)
    with (tmp_path / "log").open("wb") as log:
        service.process = subprocess.Popen(
            [sys.executable, "-m", "gaia_redshift", "serve"], env=service._environment, stdout=log, stderr=log
        )
    try:
        wait_for_python(service.process.pid)
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline and service.process.poll() is None:
            service.process.send_signal(signal.SIGHUP)
            for worker in service.children():
                os.kill(worker.pid, signal.SIGHUP)
            if is_ready(service.url):
                break
            time.sleep(0.01)
        assert service.process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(1)
        text = service.get("/metrics")
        assert 'gaia_redshift_reloads_total{result="done"}' in text
        assert "died" not in (tmp_path / "log").read_text()
    finally:
        service.process.terminate()
        assert service.process.wait(20) == 0


def test_what_is_being_imported_cannot_catch_the_end_of_a_start() -> None:
    """ONNX Runtime took the exception of an exit for a model that cannot be loaded."""
    program = (
        "import os, signal, sys\n"
        "sys.argv = ['gaia-redshift', 'serve']\n"
        "import gaia_redshift.commands\n"
        "try:\n    os.kill(os.getpid(), signal.SIGTERM)\nexcept BaseException:\n    print('caught')\n"
        "sys.exit(1)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_no_signal_to_reload_ends_a_service_that_was_started_to_ignore_it(tmp_path: Path) -> None:
    """Before its first module is loaded, such a signal ends Python, unless it was started to ignore it."""
    service = Service(tmp_path)
    with (tmp_path / "log").open("wb") as log:
        service.process = subprocess.Popen(
            ["nohup", sys.executable, "-m", "gaia_redshift", "serve"],
            env=service._environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        words = Path(f"/proc/{service.process.pid}/cmdline")  # empty for a moment while a program is replaced
        wait_until(lambda: b"nohup" not in (text := words.read_bytes()) and b"gaia_redshift" in text, "it is Python")
        while service.process.poll() is None and not is_ready(service.url):
            service.process.send_signal(signal.SIGHUP)
            time.sleep(0.001)
        assert service.process.poll() is None, (tmp_path / "log").read_text()
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: 'reloads_total{result="done"}' in service.get("/metrics"), "the models are reloaded")
    finally:
        service.process.terminate()
        assert service.process.wait(20) == 0


@pytest.mark.parametrize("seconds", [0, 0.3, 1])
def test_a_signal_to_end_during_the_start_ends_it_with_0(tmp_path: Path, seconds: float) -> None:
    service = Service(tmp_path)
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gaia_redshift", "serve"], env=service._environment, stdout=log, stderr=log
        )
    try:
        wait_for_python(process.pid)
        time.sleep(seconds)
        process.terminate()
        assert process.wait(60) == 0, (tmp_path / "log").read_text()
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("variable", "text"), [("CORS_ORIGINS", "[secret"), ("API_KEYS", "secret"), ("ALLOWED_HOSTS", "{")]
)
def test_a_setting_that_is_not_json_is_one_line(tmp_path: Path, variable: str, text: str) -> None:
    environment = {**os.environ, f"GAIA_REDSHIFT_{variable}": text}
    command = [sys.executable, "-m", "gaia_redshift", "serve", "--port", "0"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith(f"error: GAIA_REDSHIFT_{variable}: ")
    assert done.stderr.count("\n") == 1
    assert "secret" not in done.stderr


def write_bad_bundles(models: Path) -> set[str]:
    """Add bundles that cannot be served, one of each kind, and a hidden folder; return the names of the bundles."""
    from gaia_redshift.bundle import MANIFEST, Manifest, seal

    made = {name: write_tiny_bundle(models / name, name) for name in ("altered", "unloadable", "pipe")}
    (made["altered"] / "model.onnx").write_bytes(b"rubbish")
    (made["unloadable"] / "model.onnx").write_bytes(b"")
    seal(made["unloadable"], Manifest.model_validate_json((made["unloadable"] / MANIFEST).read_bytes()))
    (made["pipe"] / "model.onnx").unlink()
    os.mkfifo(made["pipe"] / "model.onnx")
    for name in ("no-manifest", "pipe-for-a-manifest", ".tmp-copy"):
        (models / name).mkdir()
    for name in ("no-manifest", ".tmp-copy"):
        (models / name / MANIFEST).write_text("{")
    os.mkfifo(models / "pipe-for-a-manifest" / MANIFEST)
    return {*made, "no-manifest", "pipe-for-a-manifest"}


def test_bundles_that_cannot_be_served_do_not_keep_the_others_from_it(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "models" / "tiny")
    bad = write_bad_bundles(tmp_path / "models")
    with Service(tmp_path) as service:
        models = json.loads(service.get("/models"))["models"]
        assert [model["manifest"]["name"] for model in models] == ["tiny"]
        assert f"gaia_redshift_bundles_refused {float(len(bad))}\n" in service.get("/metrics")
        told = [line["event"] for line in service.lines() if "is not served" in line.get("event", "")]
        assert sorted(line.split()[2] for line in told) == sorted(bad), told
        for name in bad:
            shutil.rmtree(tmp_path / "models" / name)
        service.process.send_signal(signal.SIGHUP)
        wait_until(lambda: "gaia_redshift_bundles_refused 0.0\n" in service.get("/metrics"), "no bundle is refused")
        assert service.stop() == 0


def test_where_the_default_model_is_the_bad_one_the_service_does_not_start(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "models" / "good", "good")
    bundle = write_tiny_bundle(tmp_path / "models" / "tiny")
    (bundle / "model.onnx").write_bytes(b"rubbish")
    with pytest.raises(RuntimeError, match="refused unread"), Service(tmp_path):
        pass


def test_an_older_bundle_is_refused_where_the_least_version_is_set(tmp_path: Path) -> None:
    write_tiny_bundle(tmp_path / "models" / "old", version="1.9.9")
    write_tiny_bundle(tmp_path / "models" / "new", version="1.10.0")
    with Service(tmp_path, bundle_least_versions=json.loads('{"tiny": "1.10.0"}')) as service:
        models = json.loads(service.get("/models"))["models"]
        assert [model["manifest"]["version"] for model in models] == ["1.10.0"]
        assert any("older than 1.10.0" in line.get("event", "") for line in service.lines())
        service.stop()
