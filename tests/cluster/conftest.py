"""What tests on clusters share: they run in an environment of their own, without the service (`make cluster-test`)."""

from pathlib import Path

import pytest

from tests.tiny import write_tiny_bundle


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """Return a models folder that holds the tiny bundle."""
    write_tiny_bundle(tmp_path / "models" / "tiny")
    return tmp_path / "models"
