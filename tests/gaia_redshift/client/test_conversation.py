"""What the client asks of a service, in how many pieces, and what it says where no good answer comes."""

import sys
from collections.abc import Callable

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.client import AsyncClient, Client, ServiceError
from tests.gaia_redshift.client.conftest import Make, client_of


def test_more_spectra_than_a_request_may_hold_go_in_several(settings: Settings, make_flux: Make) -> None:
    few = settings.model_copy(update={"max_spectra": 300})
    flux = np.tile(make_flux(100), (8, 1))
    flux[701] = 0
    with TestClient(create_app(few), raise_server_exceptions=False) as service, client_of(service) as client:
        found = client.predict(flux, source_id=range(800))
        assert [one.source_id for one in found] == list(range(800))
        assert [row for row, one in enumerate(found) if one.status == "error"] == [701]
        assert found[799].redshift == found[99].redshift
        flux[702, 5] = np.nan
        with pytest.raises(ServiceError) as caught:
            client.predict(flux, rows="strict")
        assert [detail["at"] for detail in caught.value.details] == ["spectra[702].flux[5]"]


def test_a_busy_service_is_waited_for_between_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gaia_redshift.client.conversation.MOST_SPECTRA", 2)
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        if asked == 2:
            return httpx.Response(429, headers={"Retry-After": "7"})
        row = {"status": "ok", "redshift": 0.1, "quality": []}
        body = {"model": {"name": "m", "version": "1"}, "prior": "survey", "predictions": [row] * 2}
        return httpx.Response(200, json=body)

    with Client(transport=httpx.MockTransport(answer)) as client:
        assert len(client.predict(np.ones((4, 186)))) == 4
    assert waited == [7.0]
    assert asked == 3


def test_a_progress_bar_shows_on_a_terminal_alone(
    settings: Settings, make_flux: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("gaia_redshift.client.conversation._ASK_FROM_ROWS", 2)
    few = settings.model_copy(update={"max_spectra": 5})
    with TestClient(create_app(few), raise_server_exceptions=False) as service, client_of(service) as client:
        client.predict(make_flux(20))
        assert capsys.readouterr().err == ""
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        client.predict(make_flux(20))
        assert "20/20" in capsys.readouterr().err


def failing(error: Exception) -> Callable[[httpx.Request], httpx.Response]:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return fail


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (httpx.ConnectError("[Errno 111]"), "no service answers at http://127.0.0.1:8000"),
        (httpx.ReadTimeout("timed out"), "longer than the client's timeout"),
        (httpx.RemoteProtocolError("peer closed"), "broke before the answer was complete"),
    ],
)
def test_a_failed_connection_is_reported_in_our_words(error: Exception, message: str) -> None:
    transport = httpx.MockTransport(failing(error))
    with Client(transport=transport) as client, pytest.raises(ServiceError, match=message) as caught:
        client.predict(np.ones(186))
    assert (caught.value.status, caught.value.code) == (0, "unreachable")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]", b'{"predictions": [1], "model": {}}', b"\x00"])
def test_an_invalid_answer_is_reported_in_our_words(body: bytes) -> None:
    for kind in ("application/json", "application/vnd.apache.arrow.stream", "text/html"):
        answer = httpx.Response(200, content=body, headers={"content-type": kind})
        with Client(transport=httpx.MockTransport(lambda _, answer=answer: answer)) as client:
            with pytest.raises(ServiceError, match="is not a prediction: is it another service"):
                client.predict(np.ones(186))
            with pytest.raises(ServiceError):
                client.models()


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_an_address_without_a_scheme_is_refused_at_once(kind: type) -> None:
    with pytest.raises(ValueError, match="'localhost:8000' does not begin with http"):
        kind("localhost:8000")
