"""The service that the tests of a module attack, where they need no other settings."""

from collections.abc import Iterator

import pytest

from tests.security.hostile import Target


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    with Target(tmp_path_factory.mktemp("target")) as target:
        yield target
