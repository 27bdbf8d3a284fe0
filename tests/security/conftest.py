"""The service that the tests attack, where they need no other settings: one, so that it stands all of it."""

from collections.abc import Iterator

import pytest

from tests.security.hostile import Target


@pytest.fixture(scope="session")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with Target(tmp_path_factory.mktemp("target")) as target:
        yield target
