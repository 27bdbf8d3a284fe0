"""A service that keeps jobs, and what works on them in the test's own thread."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.jobs.worker import Worker
from app.main import create_app
from app.settings import Settings
from tests.app.jobs.owner import Owner


@pytest.fixture
def jobs_settings(models: Path, tmp_path: Path) -> Settings:
    """Return settings with a folder for jobs."""
    return Settings(
        models=models, default_model="tiny", engine="onnx", threads=1, jobs_folder=tmp_path / "jobs", jobs_nice=0
    )


@pytest.fixture
def start_jobs(jobs_settings: Settings) -> Iterator[Callable[..., Owner]]:
    """Return a starter of the service: settings as keywords, and an owner of jobs in it."""
    clients: list[TestClient] = []
    owners: list[Owner] = []

    def start(**settings: object) -> Owner:
        chosen = jobs_settings.model_copy(update=settings)
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
def owner(start_jobs: Callable[..., Owner]) -> Owner:
    """Return an owner of jobs."""
    return start_jobs()
