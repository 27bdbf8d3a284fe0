"""A client of the application in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.client import Client
from gaia_redshift.spectra import DR3, FloatArray
from tests.gaia_redshift.client.keeping import keeping_jobs
from tests.tiny import write_tiny_bundle

Make = Callable[[int], FloatArray]
LARGE = 5853498713190525696


def client_of(service: TestClient) -> Client:
    """Return a synchronous client of the application in this process."""

    def answer(request: httpx.Request) -> httpx.Response:
        reply = service.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers.items())
        )
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)

    return Client("http://testserver", transport=httpx.MockTransport(answer))


@pytest.fixture
def client(service: TestClient) -> Iterator[Client]:
    with client_of(service) as made:
        yield made


@pytest.fixture
def density(models: Path) -> Iterator[Client]:
    write_tiny_bundle(models / "dense", "dense", density=True)
    settings = Settings(models=models, default_model="dense", engine="onnx", threads=1)
    with TestClient(create_app(settings), raise_server_exceptions=False) as service, client_of(service) as made:
        yield made


def in_columns(flux: FloatArray) -> dict[str, Any]:
    return {f"flux_{number}": flux[:, number].astype(float) for number in range(DR3.samples)}


@pytest.fixture(scope="module")
def keeper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a service that carries out jobs, one for all tests of a module."""
    with keeping_jobs(tmp_path_factory.mktemp("jobs")) as address:
        yield address
