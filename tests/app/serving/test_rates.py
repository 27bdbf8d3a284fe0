import multiprocessing
from pathlib import Path

import pytest

from app.serving import metrics_files
from app.serving.rates import Rates
from app.settings import Settings


def takes(rate: float, count: int) -> list[float]:
    rates = Rates(rate, ["a"])
    return [rates.take("a") for _ in range(count)]


@pytest.mark.parametrize(("rate", "burst"), [(0.1, 1), (0.5, 1), (1, 2), (5, 10), (0.75, 1)])
def test_a_burst_is_twice_the_rate_and_one_at_least(rate: float, burst: int) -> None:
    waits = takes(rate, burst + 2)
    assert waits[:burst] == [0.0] * burst
    assert 0 < waits[burst] <= 1 / rate
    assert waits[burst + 1] == pytest.approx(waits[burst], abs=0.05), "who is refused does not wait longer for it"


def test_a_key_gets_its_rate_and_others_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates = Rates(2, ["a", "b"])
    sent = 0
    for _ in range(1000):
        sent += rates.take("a") == 0
        now += 0.01
    assert sent == pytest.approx(4 + 2 * 10, abs=1)
    assert rates.take("b") == 0


def take_many(folder: str, count: int) -> int:
    import os

    os.environ[metrics_files.FOLDER] = folder
    return takes(20, count).count(0.0)


def test_all_processes_share_the_rate_of_a_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        done = pool.starmap(take_many, [(str(tmp_path), 300)] * 4)
    assert 40 <= sum(done) <= 60


def test_workers_share_what_bounds_the_service_and_each_can_read_the_largest_body() -> None:
    whole = Settings(workers=4)
    share = whole.of_one_worker()
    assert share.max_connections == whole.max_connections // 4
    assert share.max_queued_rows == whole.max_queued_rows // 4
    assert share.max_body_bytes_held == whole.max_body_bytes_held // 4
    assert share.max_json_bytes_held == whole.max_json_bytes, "one of the largest, which is more than its share"
    assert Settings(workers=1).of_one_worker() == Settings(workers=1)
    assert Settings(workers=100, max_connections=3).of_one_worker().max_connections == 1
