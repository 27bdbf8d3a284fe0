import gc
import weakref
from collections.abc import Iterator

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
