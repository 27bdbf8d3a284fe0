"""The service around the predictions: models, health, documentation, start-up."""

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from gaia_redshift.errors import InvalidBundleError
from tests.tiny import SHIPPED


def test_models_describe_their_training_and_files(service: TestClient) -> None:
    (model,) = service.get("/models").json()["models"]
    assert model["default"] is True
    assert model["engine"] == "onnx"
    assert model["manifest"]["training"]["simulated"] is True
    assert re.fullmatch("[0-9a-f]{64}", model["manifest"]["files"]["model.onnx"]["sha256"])
    assert service.get("/models/tiny").json() == model


def test_an_unknown_model_is_404(service: TestClient) -> None:
    response = service.get("/models/other")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_model"


def test_ready_comes_with_the_models_and_goes_with_the_service(settings: Settings) -> None:
    app = create_app(settings)
    before = TestClient(app)
    assert before.get("/health/live").json() == {"status": "live"}
    response = before.get("/health/ready")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert response.headers["retry-after"] == "1"
    with TestClient(app) as service:
        assert service.get("/health/ready").json() == {"status": "ready", "models": ["tiny@1.2.3"]}
    assert before.get("/health/ready").status_code == 503


def test_an_altered_bundle_stops_the_start(settings: Settings) -> None:
    with (settings.models / "tiny" / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(InvalidBundleError, match="refused unread"), TestClient(create_app(settings)):
        pass


def test_a_missing_default_model_stops_the_start(models: Path) -> None:
    settings = Settings(models=models, default_model="other", engine="onnx")
    with (
        pytest.raises(InvalidBundleError, match=r"no model 'other'.*found: tiny@1.2.3"),
        TestClient(create_app(settings)),
    ):
        pass


def test_two_bundles_of_one_name_stop_the_start(settings: Settings) -> None:
    (settings.models / "tiny").rename(settings.models / "a")
    for path in (target := settings.models / "b", settings.models / "a"):
        target.mkdir(exist_ok=True)
        for file in path.iterdir():
            (target / file.name).write_bytes(file.read_bytes())
    with pytest.raises(InvalidBundleError, match="share a name"), TestClient(create_app(settings)):
        pass


def test_the_docs_page_loads_everything_from_the_service_itself(service: TestClient) -> None:
    page = service.get("/docs").text
    addresses = re.findall(r"""(?:src|href)=["']([^"']+)""", page)
    assert len(addresses) >= 3
    for address in addresses:
        assert "//" not in address
        assert service.get(f"/{address}").status_code == 200
    assert "://" not in page


def test_the_root_is_the_page_and_leads_to_the_docs(service: TestClient) -> None:
    page = service.get("/")
    assert page.url.path == "/"
    assert 'href="docs"' in page.text


def test_openapi_describes_both_bodies_and_every_reference_resolves(service: TestClient) -> None:
    document = service.get("/openapi.json").json()
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/PredictRequest"}
    assert "multipart/form-data" in document["paths"]["/predict/csv"]["post"]["requestBody"]["content"]
    for reference in re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    flux = document["components"]["schemas"]["Spectrum"]["properties"]["flux"]["anyOf"][0]
    assert (flux["minItems"], flux["maxItems"]) == (186, 186)


def test_the_example_of_the_documentation_can_be_sent_as_it_is() -> None:
    with TestClient(create_app(Settings(models=SHIPPED, engine="onnx"))) as service:
        example = service.get("/openapi.json").json()["components"]["schemas"]["PredictRequest"]["example"]
        reply = service.post("/predict", json=example)
    assert reply.json()["predictions"][0]["status"] == "ok"
