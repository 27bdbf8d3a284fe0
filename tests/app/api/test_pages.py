"""What /docs sends when a visitor presses Execute, as the document fills it in."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.tiny import SHIPPED


def document(service: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = service.get("/openapi.json").json()
    return found


def test_the_example_of_predict_succeeds(service: TestClient) -> None:
    described = document(service)
    operation = described["paths"]["/predict"]["post"]
    # A page fills defaults into the query, where a JSON body's options must not stand.
    assert not any("default" in one["schema"] or "example" in one for one in operation["parameters"])
    example = described["components"]["schemas"]["PredictRequest"]["example"]
    with TestClient(create_app(Settings(models=SHIPPED, engine="onnx"))) as shipped:  # the tiny model knows no such z
        (answered,) = shipped.post("/predict", json=example).json()["predictions"]
    assert answered["status"] == "ok"


def test_an_uploaded_file_is_the_first_choice_and_every_body_has_an_example(service: TestClient) -> None:
    operation = document(service)["paths"]["/predict/csv"]["post"]
    content = operation["requestBody"]["content"]
    assert list(content) == ["multipart/form-data", "text/csv"]
    query = {
        one["name"]: one["schema"]["default"]
        for one in operation["parameters"]
        if one["schema"].get("default") is not None
    }
    table = content["text/csv"]["example"]
    headers = {"Content-Type": "text/csv"}
    assert service.post("/predict/csv", content=table.encode(), headers=headers, params=query).status_code == 200
    others = {
        name: field["example"]
        for name, field in content["multipart/form-data"]["schema"]["properties"].items()
        if name != "file"
    }
    sent = {"file": ("example.csv", table.encode(), "text/csv")}
    assert service.post("/predict/csv", files=sent, data=others, params=query).status_code == 200


def test_every_other_operation_succeeds_as_it_stands(service: TestClient) -> None:
    for path, operations in document(service)["paths"].items():
        if "get" in operations:
            given = {one["name"]: one["example"] for one in operations["get"].get("parameters", ())}
            assert service.get(path.format(**given)).status_code == 200
        else:
            assert path in {"/predict", "/predict/csv", "/predict/table", "/nz"}  # the last needs 200 galaxies


@pytest.mark.parametrize("keys", ["api_keys", "admin_keys"])
def test_reloading_is_described_where_somebody_may_do_it(settings: Settings, keys: str) -> None:
    known = settings.model_copy(update={keys: {"somebody": "0" * 64}})
    with TestClient(create_app(known)) as service:
        described = document(service)
    assert ("/models/reload" in described["paths"]) == (keys == "admin_keys")
    assert described["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
