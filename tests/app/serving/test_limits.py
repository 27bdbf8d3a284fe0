import asyncio
import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.errors import LONGEST_WAIT, OverloadedError, RateLimitedError
from app.main import create_app
from app.serving.batcher import Batcher
from app.serving.limits import Limits
from app.settings import Settings
from gaia_redshift.errors import RedshiftError
from gaia_redshift.interpretation.result import COLUMNS, Redshifts
from gaia_redshift.spectra import FloatArray
from tests.app.api.test_predict import error_of, send
from tests.app.api.test_predict_csv import CSV, rows_of, table

Make = Callable[[int], FloatArray]
JSON_HEADERS = [(b"content-type", b"application/json"), (b"transfer-encoding", b"chunked")]


class Reader:
    """An application that reads its body, stalls after every piece, and then works for a while."""

    def __init__(self, seconds: float = 0.0, stall: float = 0.0) -> None:
        self.seconds, self.stall = seconds, stall
        self.read = 0

    async def __call__(self, _scope: Any, receive: Any, _send: Any) -> None:
        more = True
        while more:
            message = await receive()
            self.read += len(message["body"])
            more = message["more_body"]
            await asyncio.sleep(self.stall)
        await asyncio.sleep(self.seconds)


def run(settings: Settings, pieces: list[tuple[float, int]], app: Reader, headers: Any = JSON_HEADERS) -> Limits:
    """Feed the middleware a body in pieces, each after some seconds."""

    async def main() -> Limits:
        limits = Limits(app, settings, lambda: 7.5)
        left = list(pieces)

        async def receive() -> dict[str, Any]:
            seconds, size = left.pop(0)
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": b" " * size, "more_body": bool(left)}

        try:
            await limits({"type": "http", "headers": headers, "state": {}}, receive, None)  # type: ignore[arg-type]
        finally:
            assert limits.memory.held == limits.table.held == 0
        return limits

    return asyncio.run(main())


def refused(code: str, *arguments: Any, **options: Any) -> RedshiftError:
    with pytest.raises(RedshiftError) as caught:
        run(*arguments, **options)
    assert caught.value.code == code
    return caught.value


def test_a_body_that_keeps_its_speed_may_take_longer_than_the_judging_time() -> None:
    app = Reader()
    run(Settings(slow_seconds=0.2, min_bytes_per_second=1000), [(0.1, 300)] * 6, app)
    assert app.read == 1800


@pytest.mark.parametrize("pieces", [[(0.05, 1)] * 20, [(0.5, 1), (0, 1)], [(0, 5000), *[(0.05, 1)] * 20]])
def test_a_body_that_is_slow_at_any_time_is_ended(pieces: list[tuple[float, int]]) -> None:
    error = refused("request_too_slow", Settings(slow_seconds=0.2), pieces, Reader())
    assert error.status == 408
    assert "less than 1000 bytes/s for 0.2 s" in error.message


def test_a_steady_body_still_has_to_end_within_the_time_of_a_request() -> None:
    settings = Settings(slow_seconds=0.1, min_bytes_per_second=10, request_seconds=0.3)
    error = refused("request_too_slow", settings, [(0.02, 100)] * 100, Reader())
    assert error.message == "the body did not arrive within 0.3 s"


def test_the_time_in_which_the_service_does_not_read_is_not_the_client_s() -> None:
    app = Reader(stall=0.3)
    run(Settings(slow_seconds=0.2), [(0.05, 1)] * 3, app)
    assert app.read == 3


def test_a_body_that_the_service_does_not_take_in_is_not_blamed_on_the_client() -> None:
    settings = Settings(slow_seconds=0.1, request_seconds=0.3)
    refused("waited_too_long", settings, [(0, 10), (0, 10)], Reader(stall=3))


def test_an_answer_that_takes_too_long_is_429_with_the_time_that_the_queue_needs() -> None:
    error = refused("waited_too_long", Settings(slow_seconds=5, request_seconds=0.1), [(0, 10)], Reader(3))
    assert (error.status, error.headers()) == (429, {"Retry-After": "8"})


def test_a_request_without_body_has_the_whole_time() -> None:
    settings = Settings(slow_seconds=0.05, request_seconds=5)
    run(settings, [(0, 0)], Reader(0.2), headers=[])


def test_bodies_may_not_fill_the_memory_together() -> None:
    settings = Settings(max_json_bytes=1000, max_json_bytes_held=1500)

    async def main() -> list[Any]:
        limits = Limits(Reader(0.1), settings, lambda: 0.0)

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b" " * 900, "more_body": False}

        scope = {"type": "http", "headers": JSON_HEADERS, "state": {}}
        both = asyncio.gather(*(limits(scope, receive, None) for _ in range(2)), return_exceptions=True)  # type: ignore[arg-type]
        answers = list(await both)
        assert limits.memory.held == 0
        await limits(scope, receive, None)  # type: ignore[arg-type]
        return answers

    first, second = asyncio.run(main())
    assert first is None
    assert (second.status, second.code) == (429, "overloaded")


@pytest.mark.parametrize("path", ["/predict", "/predict/csv"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip"])
def test_a_compressed_body_is_refused_unread(service: TestClient, path: str, encoding: str) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "text/csv"}
    error = error_of(service.post(path, content=b"\x1f\x8b" * 9, headers=headers), 415, "unsupported_media_type")
    assert "send the body without it" in error["message"]


def test_json_bodies_have_their_own_smaller_limit(models: Path, make_flux: Make) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", max_json_bytes=5000, max_body_bytes=50_000)
    with TestClient(create_app(settings)) as service:
        assert len(rows_of(service.post("/predict/csv", content=table(make_flux(20)), headers=CSV))) == 20
        error_of(send(service, *[{"flux": row.tolist()} for row in make_flux(20)]), 413, "body_too_large")


def nothing(flux: FloatArray) -> Redshifts:
    return Redshifts(np.zeros((len(flux), len(COLUMNS))), np.zeros(len(flux), np.int32))


def test_retry_after_is_the_measured_time_of_the_rows_that_wait() -> None:
    def engine(flux: FloatArray, _priors: object, *, pdf: bool) -> Redshifts:
        import time

        time.sleep(0.02 * len(flux))
        return nothing(flux)

    async def main() -> None:
        async with Batcher(engine, slice_rows=5, batch_rows=5, max_queued_rows=60) as batcher:
            await batcher.submit(np.zeros((10, 186), np.float32))
            waiting = asyncio.create_task(batcher.submit(np.zeros((60, 186), np.float32)))
            await asyncio.sleep(0.01)
            with pytest.raises(OverloadedError) as caught:
                await batcher.submit(np.zeros((10, 186), np.float32))
            promised = caught.value.retry_after
            assert promised == 2
            await asyncio.wait_for(waiting, 2 * promised)
            assert batcher.seconds_to_drain() == 0

    asyncio.run(main())


def test_a_lone_request_is_never_refused_and_a_patient_one_waits_for_room() -> None:
    async def main() -> None:
        async with Batcher(lambda flux, *_, **_options: nothing(flux), max_queued_rows=10) as batcher:
            flux = np.ones((50, 186), np.float32)
            answers = await asyncio.gather(*(batcher.submit(flux, patient=True) for _ in range(5)))
            assert [len(answer) for answer in answers] == [50] * 5

    asyncio.run(main())


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.2, "2"), (1e9, str(LONGEST_WAIT))])
def test_retry_after_is_whole_seconds_within_reason(seconds: float, header: str) -> None:
    assert RateLimitedError("slow down", seconds).headers() == {"Retry-After": header}


@pytest.mark.parametrize("path", ["/predict", "/predict/csv"])
def test_a_full_queue_refuses_before_the_body_is_decoded(service: TestClient, path: str) -> None:
    batcher = service.app.state.models.default.batcher  # type: ignore[attr-defined]
    batcher._queue.rows = 49_000
    response = service.post(path, content=b"rubbish", headers={"Content-Type": "application/json"})
    batcher._queue.rows = 0
    error_of(response, 429, "overloaded")
    assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("form", [False, True])
def test_a_full_disk_is_503_for_a_large_upload_and_nothing_for_others(
    service: TestClient, make_flux: Make, monkeypatch: pytest.MonkeyPatch, form: bool
) -> None:
    def rollover(_file: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", rollover)
    content = table(make_flux(1200))
    assert len(content) > 1 << 20
    sent: dict[str, Any] = {"files": {"file": ("a.csv", content)}} if form else {"content": content, "headers": CSV}
    response = service.post("/predict/csv", **sent)
    error_of(response, 503, "storage_full")
    assert response.headers["retry-after"] == "30"
    assert len(rows_of(service.post("/predict/csv", content=table(make_flux(5)), headers=CSV))) == 5


class Flow:
    """Bodies that arrive at the same time, each in pieces after some seconds."""

    def __init__(self, settings: Settings) -> None:
        self.limits = Limits(Reader(), settings, lambda: 0.0)

    async def send(self, *pieces: tuple[float, int]) -> str:
        left = list(pieces)

        async def receive() -> dict[str, Any]:
            seconds, size = left.pop(0)
            await asyncio.sleep(seconds)
            return {"type": "http.request", "body": b" " * size, "more_body": bool(left)}

        try:
            await self.limits({"type": "http", "headers": JSON_HEADERS, "state": {}}, receive, None)  # type: ignore[arg-type]
        except RedshiftError as error:
            return error.code
        return "answered"


MB = 1_000_000
HOLDING = Settings(max_json_bytes=4 * MB, max_json_bytes_held=8 * MB, min_bytes_per_second=1, slow_seconds=20)


def test_slow_bodies_are_ended_for_others_and_fast_ones_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.serving.limits._SPEED_SECONDS", 0.2)

    async def main() -> None:
        flow = Flow(HOLDING)
        slow = asyncio.create_task(flow.send((0, 3 * MB), *[(0.1, 100)] * 20))
        fast = asyncio.create_task(flow.send(*[(0.1, MB // 4)] * 12))
        await asyncio.sleep(0.5)
        assert await flow.send((0, 3 * MB), (0.01, MB)) == "answered"
        assert (await slow, await fast) == ("overloaded", "answered")
        assert flow.limits.memory.held == 0
        assert not flow.limits.memory.arriving

    asyncio.run(main())


def test_large_bodies_leave_room_for_small_ones() -> None:
    async def main() -> None:
        flow = Flow(HOLDING)
        holders = [asyncio.create_task(flow.send((0, 2_900_000), (0.5, 10))) for _ in range(3)]
        await asyncio.sleep(0.1)
        small = [asyncio.create_task(flow.send((0, MB // 2), (0.1, 10))) for _ in range(3)]
        assert await asyncio.gather(*small) == ["answered"] * 3
        assert sorted(await asyncio.gather(*holders)) == ["answered", "answered", "overloaded"]

    asyncio.run(main())


def test_a_body_that_has_just_begun_is_not_ended() -> None:
    async def main() -> None:
        flow = Flow(HOLDING)
        first = asyncio.create_task(flow.send((0, 2_900_000), (0.3, 3)))
        second = asyncio.create_task(flow.send((0, 2_900_000), (0.3, 3)))
        await asyncio.sleep(0.1)
        assert await flow.send((0, 2_900_000), (0.1, 3)) == "overloaded"
        assert (await first, await second) == ("answered", "answered")

    asyncio.run(main())
