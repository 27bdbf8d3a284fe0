import asyncio
import shutil
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from app.main import create_app
from app.settings import Settings
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.spectra import FloatArray
from tests.app.api.test_predict_csv import CSV, rows_of, table
from tests.tiny import write_tiny_bundle


@pytest.mark.parametrize("rows", [3, 4200])
def test_an_upload_that_arrives_while_its_model_is_replaced_is_answered_by_it(
    settings: Settings, make_flux: Callable[[int], FloatArray], rows: int
) -> None:
    content = table(make_flux(rows))

    async def run() -> httpx.Response:
        app = create_app(settings)

        async def body() -> AsyncIterator[bytes]:
            yield content[:1000]
            shutil.rmtree(settings.models / "tiny")
            write_tiny_bundle(settings.models / "newer", version="2.0.0")
            await app.state.models.reload()
            await asyncio.sleep(0.2)
            yield content[1000:]

        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(base_url="http://service", transport=httpx.ASGITransport(app)) as client,
        ):
            response = await client.post("/predict/csv", content=body(), headers=CSV)
            assert (await client.get("/health/ready")).json()["models"] == ["tiny@2.0.0"]
            return response

    response = asyncio.run(run())
    assert len(rows_of(response)) == rows
    assert response.headers["x-model"] == "tiny 1.2.3"


def test_a_listener_is_called_after_each_successful_reload(settings: Settings) -> None:
    told: list[list[str]] = []

    async def run() -> None:
        app = create_app(settings, when_loaded=lambda: told.append([model.manifest.id for model in app.state.models]))
        async with app.router.lifespan_context(app):
            write_tiny_bundle(settings.models / "newer", version="2.0.0")
            await app.state.models.reload()
            (settings.models / "newer" / "model.onnx").write_bytes(b"rubbish")
            with pytest.raises(InvalidBundleError):
                await app.state.models.reload()

    asyncio.run(run())
    assert told == [["tiny@1.2.3"], ["tiny@2.0.0", "tiny@1.2.3"]]
