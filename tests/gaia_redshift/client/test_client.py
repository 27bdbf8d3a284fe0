import asyncio
import io
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.main import create_app
from app.settings import Settings
from gaia_redshift.client import AsyncClient, Client, ServiceError
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import tiny_redshift

Make = Callable[[int], FloatArray]


def in_process(settings: Settings, use: Callable[[AsyncClient], object]) -> None:
    """Run `use` with a client of the real application, without a network."""

    async def run() -> None:
        app = create_app(settings)
        async with (
            app.router.lifespan_context(app),
            AsyncClient("http://service", transport=httpx.ASGITransport(app)) as client,
        ):
            await use(client)  # type: ignore[misc]

    asyncio.run(run())


def test_arrays_become_predictions_in_order(settings: Settings, make_flux: Make) -> None:
    flux = make_flux(40)

    async def use(client: AsyncClient) -> None:
        found = await client.predict(flux, source_id=list(range(40)))
        assert [one.source_id for one in found] == list(range(40))
        assert [one.redshift for one in found] == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)
        assert found[0].quality == []
        (single,) = await client.predict(flux[3].tolist())
        assert single.redshift == found[3].redshift
        by_band = await client.predict(bp=flux[:, :80], rp=flux[:, 80:], model="tiny")
        assert [one.redshift for one in by_band] == [one.redshift for one in found]
        assert await client.ready()
        assert [model["manifest"]["name"] for model in await client.models()] == ["tiny"]

    in_process(settings, use)


@pytest.mark.parametrize("rows", [1, 15, 16, 300])
def test_few_spectra_and_many_get_the_same_answers_however_they_travel(
    settings: Settings, make_flux: Make, rows: int
) -> None:
    flux = make_flux(rows)
    bp, rp = np.full((rows, 120), 9.0), np.full((rows, 120), 9.0)
    bp[:, 34:114], rp[:, 4:110] = flux[:, :80], flux[:, 80:]

    async def use(client: AsyncClient) -> None:
        expected = [one.redshift for one in await client.predict(flux)]
        assert expected == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)
        names = [f"g{number}" for number in range(rows)]
        for given in (
            {"flux": flux.tolist()},
            {"flux": flux.astype(">f8")},
            {"flux": np.asfortranarray(flux), "source_id": names},
            {"bp": bp, "rp": rp, "source_id": names},
            {"bp": bp.astype(np.float32), "rp": flux[:, 80:], "model": "tiny@1.2.3"},
        ):
            found = await client.predict(**given)  # type: ignore[arg-type]
            assert [one.redshift for one in found] == pytest.approx(expected, abs=2e-6)
            assert [one.source_id for one in found] == (names if "source_id" in given else [None] * rows)

    in_process(settings, use)


@pytest.mark.parametrize("rows", [3, 40])
def test_an_error_names_the_same_place_however_the_spectra_travel(
    settings: Settings, make_flux: Make, rows: int
) -> None:
    flux = make_flux(rows)
    flux[2, 100] = np.inf

    async def use(client: AsyncClient) -> None:
        with pytest.raises(ServiceError) as caught:
            await client.predict(flux, source_id=range(rows), rows="strict")
        assert [detail["at"] for detail in caught.value.details] == ["spectra[2].flux[100]"]
        with pytest.raises(ServiceError) as caught:
            await client.predict(bp=flux[:, :80], rp=flux[:, 80:], rows="strict")
        assert [detail["at"] for detail in caught.value.details] == ["spectra[2].rp[20]"]
        with pytest.raises(ServiceError) as caught:
            await client.predict(np.ones((rows, 185)))
        assert caught.value.details[1]["at"] == "spectra[1].flux"
        with pytest.raises(ServiceError, match="no model 'other'"):
            await client.predict(np.ones((rows, 186)), model="other")

    in_process(settings, use)


def test_a_table_becomes_predictions_with_their_row_errors(settings: Settings, make_flux: Make, tmp_path: Path) -> None:
    text = io.StringIO()
    np.savetxt(text, make_flux(2), delimiter=",")
    table = tmp_path / "table.csv"
    table.write_text(",".join(f"flux_{number}" for number in range(DR3.samples)) + "\n" + text.getvalue() + "1,2\n")

    async def use(client: AsyncClient) -> None:
        found = await client.predict_csv(table, model="tiny")
        assert [one.status for one in found] == ["ok", "ok", "error"]
        assert found[2].error is not None
        assert found[2].error.code == "ragged_row"

    in_process(settings, use)


def test_a_refusal_carries_code_status_and_places(settings: Settings) -> None:
    async def use(client: AsyncClient) -> None:
        with pytest.raises(ServiceError, match=r"spectra\[0\]\.flux") as caught:
            await client.predict(np.ones((2, 185)))
        assert (caught.value.status, caught.value.code) == (422, "invalid_request")
        assert caught.value.details[1]["at"] == "spectra[1].flux"

    in_process(settings, use)


def test_a_value_that_is_not_finite_is_refused_by_the_service_not_lost(settings: Settings, make_flux: Make) -> None:
    flux = make_flux(1)
    flux[0, 5] = np.nan

    async def use(client: AsyncClient) -> None:
        with pytest.raises(ServiceError, match=r"spectra\[0\]\.flux\[5\]"):
            await client.predict(flux, rows="strict")

    in_process(settings, use)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"bp": np.ones((2, 80)), "rp": np.ones((3, 106))}, {"flux": np.ones((2, 186)), "source_id": [1]}],
)
def test_arrays_that_do_not_belong_together_never_leave_the_client(arguments: dict) -> None:
    with Client() as client, pytest.raises(ValueError, match="as many rows"):
        client.predict(**arguments)


def test_the_synchronous_client_says_and_does_the_same() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/models":
            return httpx.Response(200, json={"models": [{"default": True}]})
        if request.url.path == "/health/ready":
            return httpx.Response(503)
        return httpx.Response(502, text="<html>a proxy</html>")

    with Client(transport=httpx.MockTransport(answer)) as client:
        assert client.models() == [{"default": True}]
        assert not client.ready()
        with pytest.raises(ServiceError, match="a proxy") as caught:
            client.predict(np.ones(186))
        assert (caught.value.status, caught.value.code) == (502, "http_error")


def test_a_service_that_is_not_there_is_not_ready() -> None:
    with Client("http://127.0.0.1:9") as client:
        assert not client.ready()
