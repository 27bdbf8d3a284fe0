"""Run it: ``python3 -m tests.wheel``; see the package."""

import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

from tests.container.report import Report
from tests.wheel import looks
from tests.wheel.environment import ROOT, Environment, build_wheel, demand, megabytes

REQUIREMENTS = ROOT / "requirements"


def _install(environment: Environment, wheel: Path) -> str:
    """Install what the lock names, by hash, and the wheel; return how long it took and how large it became."""
    began = time.monotonic()
    quiet = ("install", "--quiet", "--disable-pip-version-check")
    demand(*environment.pip, *quiet, "--require-hashes", "-r", REQUIREMENTS / "library.txt")
    demand(*environment.pip, *quiet, "--no-deps", wheel)
    demand(*environment.pip, "check")
    seconds = time.monotonic() - began
    return f"{seconds:.0f} s, {megabytes(environment.site_packages):.0f} MB with byte code"


def _run(folder: Path) -> int:
    report = Report()
    report.note("Python", sys.version.split()[0])
    tools = folder / "tools"
    venv.create(tools, with_pip=True, symlinks=True)
    python = tools / "bin" / "python"
    demand(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", REQUIREMENTS / "build.txt")
    wheel = build_wheel(folder, python)
    report.check("contents", lambda: looks.contents(wheel))
    environment = Environment(folder / "environment", folder / "user")
    if report.check("install", lambda: _install(environment, wheel)):
        checks: tuple[Callable[[Environment], str], ...] = (
            looks.dependencies,
            looks.library,
            looks.models,
            looks.predict,
            looks.hints,
        )
        for look in checks:
            report.check(look.__name__, lambda look=look: look(environment))
    return report.end()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        sys.exit(_run(Path(name)))
