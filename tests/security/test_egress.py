"""Nothing that is started here tells anybody, or leaves anything where it should not.

ONNX Runtime reports to its maker unless told not to, but never where it finds the variables of a CI service: they are
taken away, and so is the variable that tells it not to.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.reliability.service import Service
from tests.reliability.wire import json_question
from tests.tiny import write_tiny_bundle

_CI = re.compile(
    r"^(CI|TF_BUILD|GITHUB_\w+|RUNNER_\w+|BUILD_\w+|JENKINS_\w+|TEAMCITY_\w+|TRAVIS\w*|CIRCLECI|GITLAB_CI)$"
)
_PREDICT = "import gaia_redshift, numpy as n; p = gaia_redshift.load({!r}); print(p(n.linspace(1, 9, 186)[None]))"


def outside_of_ci(home: Path) -> dict[str, str]:
    """Return an environment without traces of CI, whose home and temporary folder are empty."""
    kept = {
        name: value for name, value in os.environ.items() if not _CI.match(name) and name != "ORT_DISABLE_TELEMETRY"
    }
    kept = {name: value for name, value in kept.items() if not name.startswith("XDG_")}
    for name in ("home", "tmp"):
        (home / name).mkdir()
    return {**kept, "HOME": str(home / "home"), "TMPDIR": str(home / "tmp"), "PYTHONDONTWRITEBYTECODE": "1"}


def left_in(home: Path) -> list[str]:
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.parent != home)


def connections(trace: Path) -> list[str]:
    """Return what was connected to or looked up: every address that is not this machine's own."""
    calls = [
        line
        for path in trace.parent.glob(f"{trace.name}*")
        for line in path.read_text(errors="replace").splitlines()
        if re.search(r"\b(connect|sendto|sendmsg|sendmmsg)\(", line) and "sin" in line
    ]
    return [line for line in calls if not re.search(r'inet_addr\("127\.|"::1"', line)]


def traced(command: list[str], trace: Path) -> list[str]:
    return ["strace", "-D", "-f", "-ff", "-qq", "-e", "trace=network", "-o", str(trace), *command]


has_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


def test_the_library_connects_to_nothing_and_leaves_no_files(tmp_path: Path) -> None:
    bundle = write_tiny_bundle(tmp_path / "tiny")
    home = tmp_path / "places"
    home.mkdir()
    command = [sys.executable, "-c", _PREDICT.format(str(bundle))]
    trace = tmp_path / "trace"
    done = subprocess.run(
        traced(command, trace) if shutil.which("strace") else command,
        env=outside_of_ci(home),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert left_in(home) == []
    assert connections(trace) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_the_service_connects_to_nothing_and_leaves_no_files(tmp_path: Path, workers: int) -> None:
    home = tmp_path / "places"
    home.mkdir()
    prefix = traced([], tmp_path / "trace") if shutil.which("strace") else []
    with Service(tmp_path, workers=workers, surroundings=outside_of_ci(home), prefix=prefix) as service:
        _, _, body = json_question(3, 1).request.partition(b"\r\n\r\n")
        answer = httpx.post(f"{service.url}/predict", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 200
        assert left_in(home) == []
        assert service.stop() == 0
    assert left_in(home) == []
    assert connections(tmp_path / "trace") == []
    assert len(list(tmp_path.glob("trace*"))) > workers * bool(prefix)


@has_strace
def test_connections_are_detected(tmp_path: Path) -> None:
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 53))"
    subprocess.run(traced([sys.executable, "-c", code], tmp_path / "trace"), check=True)
    assert len(connections(tmp_path / "trace")) == 1


def test_the_runtime_would_connect_without_its_setting(tmp_path: Path) -> None:
    """If this fails, ONNX Runtime no longer connects by itself."""
    write_tiny_bundle(tmp_path / "tiny")
    home = tmp_path / "places"
    home.mkdir()
    code = (
        "import onnxruntime, sys, time; onnxruntime.InferenceSession(sys.argv[1], providers=['CPUExecutionProvider']);"
        "time.sleep(1)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "tiny" / "model.onnx")], env=outside_of_ci(home), check=True
    )
    assert left_in(home) != []
