import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.main import create_app
from app.serving import security
from app.serving.security import hash_key, make_key
from app.settings import Settings
from gaia_redshift.client import AsyncClient, ServiceError
from gaia_redshift.spectra import FloatArray
from tests.app.api.test_predict import error_of

Make = Callable[[int], FloatArray]
ALICE, ADMIN = "gr_" + "a" * 43, "gr_" + "b" * 43


def serve(models: Path, **settings: Any) -> TestClient:
    return TestClient(create_app(Settings(models=models, default_model="tiny", engine="onnx", **settings)))


@pytest.fixture
def guarded(models: Path) -> Iterator[TestClient]:
    keys = {"api_keys": {"alice": hash_key(ALICE)}, "admin_keys": {"root": hash_key(ADMIN)}}
    with serve(models, **keys) as service:
        yield service


def ask(service: TestClient, flux: FloatArray, key: str | None = None, scheme: str = "Bearer") -> Any:
    headers = {"Authorization": f"{scheme} {key}"} if key is not None else {}
    return service.post("/predict", json={"spectra": [{"flux": flux[0].tolist()}]}, headers=headers)


@pytest.mark.parametrize("key", [None, "", "wrong", ALICE[:-1], ALICE + "x", hash_key(ALICE), "é" * 10])
def test_without_a_known_key_nothing_is_predicted(guarded: TestClient, make_flux: Make, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}".encode()}
    response = guarded.post("/predict", json={"spectra": []}, headers=headers)
    error_of(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("key", [ALICE, ADMIN])
def test_a_known_key_predicts(guarded: TestClient, make_flux: Make, key: str, scheme: str) -> None:
    assert ask(guarded, make_flux(1), key, scheme).status_code == 200


def test_another_scheme_is_no_key(guarded: TestClient, make_flux: Make) -> None:
    error_of(ask(guarded, make_flux(1), ALICE, "Basic"), 401, "unauthorized")


@pytest.mark.parametrize("path", ["/models", "/models/tiny", "/metrics", "/nowhere", "/health", "/healthy"])
def test_everything_but_health_and_documentation_needs_the_key(guarded: TestClient, path: str) -> None:
    error_of(guarded.get(path), 401, "unauthorized")


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/docs", "/openapi.json", "/"])
def test_health_and_documentation_are_open(guarded: TestClient, path: str) -> None:
    assert guarded.get(path).status_code == 200


def test_only_an_admin_key_reloads(guarded: TestClient) -> None:
    error_of(guarded.post("/models/reload"), 401, "unauthorized")
    error_of(guarded.post("/models/reload", headers={"Authorization": f"Bearer {ALICE}"}), 403, "forbidden")
    response = guarded.post("/models/reload", headers={"Authorization": f"Bearer {ADMIN}"})
    assert [model["manifest"]["name"] for model in response.json()["models"]] == ["tiny"]


def test_reload_is_closed_to_everybody_where_no_admin_key_is_set(service: TestClient) -> None:
    error_of(service.post("/models/reload"), 403, "forbidden")


def test_an_admin_key_alone_leaves_predictions_open(models: Path, make_flux: Make) -> None:
    with serve(models, admin_keys={"root": hash_key(ADMIN)}) as service:
        assert ask(service, make_flux(1)).status_code == 200


def test_every_hash_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def compare(one: str, other: str) -> bool:
        compared.append(one)
        return one == other

    monkeypatch.setattr(security.hmac, "compare_digest", compare)
    keys = {name: hash_key(name) for name in "abc"}
    assert security._owner(keys, hash_key("a")) == "a"
    assert len(compared) == 3


@pytest.mark.parametrize("value", ["secret", hash_key("a").upper(), "", hash_key("a") + "0"])
def test_a_setting_takes_hashes_and_no_keys(value: str) -> None:
    with pytest.raises(ValidationError):
        Settings(api_keys={"alice": value})


def test_one_key_is_held_to_its_rate_and_the_other_is_not(models: Path, make_flux: Make) -> None:
    keys = {"alice": hash_key(ALICE), "bob": hash_key("bob")}
    with serve(models, api_keys=keys, requests_per_second=1) as service:
        statuses = [ask(service, make_flux(1), ALICE).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]
        response = ask(service, make_flux(1), ALICE)
        error_of(response, 429, "rate_limited")
        assert response.headers["retry-after"] == "1"
        assert ask(service, make_flux(1), "bob").status_code == 200


def test_a_made_key_is_long_random_and_fits_its_hash() -> None:
    key, digest = make_key()
    assert re.fullmatch(r"gr_[\w-]{43}", key)
    assert hash_key(key) == digest
    assert make_key()[0] != key


def test_the_key_appears_in_no_log_line_but_its_name_does(guarded: TestClient, make_flux: Make) -> None:
    with structlog.testing.capture_logs() as lines:
        ask(guarded, make_flux(1), ALICE)
    assert ALICE not in str(lines)
    assert lines[-1]["key_name"] == "alice"


def test_the_openapi_document_asks_for_the_key_where_there_is_one(guarded: TestClient, service: TestClient) -> None:
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    assert "securitySchemes" not in service.get("/openapi.json").json()["components"]


def test_the_key_command_prints_the_hash_of_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    from app.commands import key

    key("alice")
    output = capsys.readouterr()
    assert json.loads(output.out) == {"alice": hash_key(output.err.split()[-1])}


def test_the_client_sends_its_key(models: Path, make_flux: Make) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", api_keys={"alice": hash_key(ALICE)})

    async def use(key: str | None) -> int:
        app = create_app(settings)
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            AsyncClient("http://service", api_key=key, transport=transport) as client,
        ):
            return len(await client.predict(make_flux(2)))

    assert asyncio.run(use(ALICE)) == 2
    with pytest.raises(ServiceError, match="unauthorized"):
        asyncio.run(use(None))
