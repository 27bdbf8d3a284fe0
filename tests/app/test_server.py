import gc
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.server import make_application
from app.settings import Settings


@pytest.fixture
def thaw() -> Iterator[None]:
    yield
    gc.unfreeze()


class _Ring:
    def __init__(self) -> None:
        self.itself = self


@pytest.mark.usefixtures("thaw")
def test_the_garbage_collector_skips_loaded_models_until_they_are_reloaded(settings: Settings) -> None:
    app = make_application(settings).app  # type: ignore[attr-defined]
    app.state.when_loaded()
    assert gc.get_freeze_count() > 0
    old = _Ring()
    app.state.when_loaded()
    gone = weakref.ref(old)
    del old
    gc.collect()
    assert gone() is not None, "what is loaded is passed over"
    app.state.when_loaded()
    assert gone() is None, "what a reload has replaced is not kept"


BROKEN = """
from app import server
from app.settings import Settings

async def application(scope, receive, send):
    raise RuntimeError("the middleware is broken")

server.make_application = lambda settings: application
server.serve(Settings())
"""


def test_an_application_that_cannot_start_says_why_and_ends_with_an_error() -> None:
    """The router reports its own failure; what fails around it, uvicorn takes for an application without a start."""
    environment = {**os.environ, "GAIA_REDSHIFT_PORT": "0", "GAIA_REDSHIFT_LOG_FORMAT": "json"}
    words = [sys.executable, "-c", BROKEN]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert "RuntimeError: the middleware is broken" in done.stdout
    assert "Application startup failed" in done.stdout


@pytest.mark.parametrize("workers", [1, 2])
def test_a_start_that_fails_ends_with_an_error_in_whichever_process(tmp_path: Path, workers: int) -> None:
    given = {"MODELS": str(tmp_path), "PORT": "0", "WORKERS": str(workers), "LOG_FORMAT": "json"}
    environment = {**os.environ, **{f"GAIA_REDSHIFT_{name}": value for name, value in given.items()}}
    code = "from app import server; from app.settings import Settings; server.serve(Settings())"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=90)
    assert "the service does not start: there is no model" in done.stdout
    assert done.returncode == 3
