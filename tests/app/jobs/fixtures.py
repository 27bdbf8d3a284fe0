"""A service that keeps jobs, and what works on them in the test's own thread."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.jobs.worker import Worker
from app.main import create_app
from app.settings import Settings
from tests.app.jobs.owner import PART, Owner
from tests.tiny import write_tiny_bundle


def settings_of_jobs(models: Path, folder: Path) -> Settings:
    """Return settings with a folder for jobs."""
    return Settings(models=models, default_model="tiny", engine="onnx", threads=1, jobs_folder=folder, jobs_nice=0)


@contextmanager
def starting(defaults: Settings) -> Iterator[Callable[..., Owner]]:
    """Yield a starter of the service: settings as keywords, and an owner of jobs in it."""
    clients: list[TestClient] = []
    owners: list[Owner] = []

    def start(**settings: object) -> Owner:
        chosen = defaults.model_copy(update=settings)
        client = TestClient(create_app(chosen), raise_server_exceptions=False, follow_redirects=False)
        clients.append(client)
        client.__enter__()
        owners.append(Owner(client, Worker(chosen), chosen))
        return owners[-1]

    yield start
    for owner in owners:
        owner.close()
    for client in clients:
        client.__exit__(None, None, None)


@pytest.fixture
def jobs_settings(models: Path, tmp_path: Path) -> Settings:
    """Return settings with a folder for jobs."""
    return settings_of_jobs(models, tmp_path / "jobs")


@pytest.fixture
def start_jobs(jobs_settings: Settings) -> Iterator[Callable[..., Owner]]:
    """Return a starter of the service: settings as keywords, and an owner of jobs in it."""
    with starting(jobs_settings) as start:
        yield start


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the parts of a job have few rows, for workers in this process."""
    monkeypatch.setattr("app.jobs.table.PART_ROWS", PART)


@pytest.fixture
def owner(start_jobs: Callable[..., Owner]) -> Owner:
    """Return an owner of jobs."""
    return start_jobs()


@pytest.fixture(scope="module")
def lasting_owner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Owner]:
    """Return an owner of jobs that all tests of a module share."""
    folder = tmp_path_factory.mktemp("lasting")
    write_tiny_bundle(folder / "models" / "tiny")
    with starting(settings_of_jobs(folder / "models", folder / "jobs")) as start:
        yield start()
