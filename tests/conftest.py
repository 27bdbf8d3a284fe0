"""Fixtures for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings

from app.main import create_app
from app.settings import Settings
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import write_tiny_bundle

pytest_plugins = ["tests.server", "tests.app.jobs.fixtures"]

# Shared machines stall now and then, and failures must be reproducible.
hypothesis_settings.register_profile("project", deadline=None, derandomize=True)
hypothesis_settings.load_profile("project")


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a models folder that holds the tiny bundle."""
    write_tiny_bundle(tmp_path / "models" / "tiny")
    return tmp_path / "models"


@pytest.fixture
def settings(models: Path) -> Settings:
    """Return settings that serve the tiny bundle on ONNX Runtime."""
    return Settings(models=models, default_model="tiny", engine="onnx", threads=1)


@pytest.fixture
def service(settings: Settings) -> Iterator[TestClient]:
    """Return a client of the real application, started through its lifespan."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def make_flux() -> Callable[[int], FloatArray]:
    """Return a maker of n plausible spectra, shape (n, 186), the same for every call."""

    def make(rows: int) -> FloatArray:
        random = np.random.default_rng(7)
        return np.round(random.uniform(0.1, 0.9, (rows, DR3.samples)), 4).astype(np.float32)

    return make
