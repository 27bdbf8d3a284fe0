"""Run it: ``python3 -m tests.container [cpu|gpu]``; see the package."""

import os
import re
import sys
from collections.abc import Callable

from tests.container import closed, drain, gpu, image, monitoring, service
from tests.container.engine import ROOT, Container, Engine, MissingEngineError, free_port
from tests.container.report import Report, expect

MEMORY, CPUS, PIDS = 4 * 2**30, 2.0, 256
"""The limits of docker-compose.yml; a test of the pytest suite holds them equal."""


def _base() -> str:
    """Return the base image: the Dockerfile's, or the one that CONTAINER_BUILD_OPTIONS names instead."""
    given = re.search(r"--build-arg[ =]BASE=(\S+)", os.environ.get("CONTAINER_BUILD_OPTIONS", ""))
    found = given or re.search(r"^ARG BASE=(\S+)", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    expect(found, "the Dockerfile names no base")
    return found.group(1) if found else ""


def _knows_pids(engine: Engine) -> bool:
    """Say whether the compose command can limit processes: podman-compose before 1.1 cannot."""
    old = re.search(r"podman-compose\w* version:? +(0\.|1\.0\.)", engine.describe())
    return old is None


def _look_at(engine: Engine, report: Report, container: Container, port: int) -> None:
    """Look at the running service."""
    pids = PIDS if _knows_pids(engine) else None
    looks: dict[str, Callable[[], str]] = {
        "predictions": lambda: service.predict(port),
        "/docs and the page": lambda: service.pages(port),
        "user and rights": lambda: service.confinement(container),
        "health": lambda: service.health(container),
        "log lines": lambda: service.log_lines(container),
    }
    for name, look in looks.items():
        report.check(name, look)
    if monitoring.available():
        report.check("monitoring", lambda: monitoring.scrape(port))
    else:
        report.note("monitoring", "skipped: install prometheus to have the rules checked against the service")
    report.check("drain", lambda: drain.drain(container, port))
    report.check("start to ready", lambda: drain.start(container, port))
    report.check("limits", lambda: service.limits(container, MEMORY, CPUS, pids))


def _compose(engine: Engine, report: Report, tag: str) -> None:
    """Bring the compose file up, look at it, take it down."""
    port = int(os.environ.get("CONTAINER_TEST_PORT") or free_port())
    # The log level shows whether settings arrive: health checks are logged at this one only.
    env = {"REDSHIFT_PORT": str(port), "REDSHIFT_IMAGE": tag, "GAIA_REDSHIFT_LOG_LEVEL": "debug"}

    def up() -> str:
        # Named, because podman-compose before 1.1 knows no profiles and would start the others too.
        engine.compose("up", "-d", "redshift", env=env)
        service.wait_until_ready(port)
        return f"http://127.0.0.1:{port} is ready"

    try:
        if report.check("compose up", up):
            _look_at(engine, report, engine.container("redshift"), port)
    finally:
        engine.compose("down", env=env)
    report.check("closed way out", lambda: closed.closed(engine, env))


def main(target: str) -> int:
    """Run the test of one target; return the exit code."""
    report = Report()
    try:
        engine = Engine()
    except MissingEngineError as error:
        report.note("engine", str(error))
        return 2
    report.note("engine", engine.describe())
    tag = f"localhost/gaia-redshift:{target}"
    engine.build(target, tag)
    report.check("image size", lambda: image.size(engine, tag, _base(), target))
    report.check("image contents", lambda: image.contents(engine, tag, target))
    report.check("image description", lambda: image.description(engine, tag))
    if target == "cpu":
        report.check("image library", lambda: image.library(engine, tag))
        _compose(engine, report, tag)
    else:
        report.check("cuda", lambda: gpu.cuda(engine, tag))
        report.check("keras engine", lambda: gpu.predict(engine, tag))
    return report.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "cpu"))
