from pathlib import Path

import pytest

from tests.reliability.service import Service


class Hasty(Service):
    """One that is given up soon."""

    def wait_until_ready(self, seconds: float = 0.5) -> None:
        super().wait_until_ready(seconds)


def test_a_process_that_does_not_become_ready_is_ended_and_its_log_told(tmp_path: Path) -> None:
    service = Hasty(tmp_path, prefix=("sh", "-c", "echo starting; exec sleep 600"))
    with pytest.raises(RuntimeError, match=r"(?s)not ready.*starting"):
        service.__enter__()
    assert service.process.poll() is not None


def test_a_process_is_ended_where_the_wait_for_it_is_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_self: Service) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Service, "wait_until_ready", interrupt)
    service = Service(tmp_path, prefix=("sh", "-c", "exec sleep 600"))
    with pytest.raises(KeyboardInterrupt):
        service.__enter__()
    assert service.process.poll() is not None
