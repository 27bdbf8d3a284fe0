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


def test_other_origins_are_not_allowed_by_default(service: TestClient) -> None:
    origin = {"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}
    for response in (service.options("/predict", headers=origin), service.get("/models", headers=origin)):
        assert "access-control-allow-origin" not in response.headers


def test_an_allowed_origin_may_ask_with_its_key_and_another_may_not(models: Path) -> None:
    keys = {"api_keys": {"alice": hash_key(ALICE)}}
    with serve(models, cors_origins=["https://example.org"], **keys) as service:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        preflight = service.options("/predict", headers={"Origin": "https://example.org", **asked})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://example.org"
        refused = service.options("/predict", headers={"Origin": "https://evil.example", **asked})
        assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("path", ["/models", "/nowhere", "/health/ready", "/metrics", "/static/swagger/swagger-ui.css"])
def test_every_answer_has_the_security_headers(service: TestClient, path: str) -> None:
    headers = service.get(path).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert "server" not in headers


def test_an_unexpected_failure_has_the_security_headers_too(service: TestClient, monkeypatch: Any) -> None:
    monkeypatch.setattr(service.app.state, "models", None)  # type: ignore[attr-defined]
    response = service.get("/models")
    error_of(response, 500, "internal_error")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])


def test_the_docs_page_may_run_its_own_script_and_no_other(service: TestClient) -> None:
    response = service.get("/docs")
    policy = response.headers["content-security-policy"]
    assert re.search(r"script-src 'self' 'sha256-[\w+/]{43}=';", policy)
    assert response.headers.get_list("content-security-policy") == [policy]
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.parametrize("given", ["abc-123", "A.b_c:d", "x" * 64])
def test_a_request_id_is_taken_over(service: TestClient, given: str) -> None:
    assert service.get("/health/live", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", 'a"}', "é", "a\tb", "<script>"])
def test_a_request_id_that_could_harm_a_log_is_replaced(service: TestClient, given: str) -> None:
    response = service.get("/health/live", headers={"X-Request-ID": given.encode()})
    assert re.fullmatch("[0-9a-f]{16}", response.headers["x-request-id"])


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


@pytest.mark.parametrize("path", ["/predict", "/nowhere", "/models/none", "/predict/csv"])
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
def test_an_allowed_origin_can_read_errors_too(models: Path, path: str, kind: str) -> None:
    with serve(models, cors_origins=["https://ok.example"]) as service:
        headers = {"Origin": "https://ok.example", "Content-Type": kind}
        response = service.post(path, content=b"{", headers=headers)
        assert 400 <= response.status_code < 500
        assert response.headers["access-control-allow-origin"] == "https://ok.example"
        assert "X-Request-ID" in response.headers["access-control-expose-headers"]
        assert response.headers["x-content-type-options"] == "nosniff"
        response = service.post(path, content=b"{", headers={**headers, "Origin": "https://evil.example"})
        assert "access-control-allow-origin" not in response.headers


def test_an_allowed_origin_can_read_that_its_key_is_missing_and_when_to_try_again(models: Path) -> None:
    keys = {"api_keys": {"alice": hash_key(ALICE)}, "requests_per_second": 0.01}
    with serve(models, cors_origins=["https://ok.example"], **keys) as service:
        origin = {"Origin": "https://ok.example"}
        response = service.post("/predict", headers=origin)
        error_of(response, 401, "unauthorized")
        assert response.headers["access-control-allow-origin"] == "https://ok.example"
        for _ in range(2):
            response = service.post("/predict", headers={**origin, "Authorization": f"Bearer {ALICE}"})
        error_of(response, 429, "rate_limited")
        assert "Retry-After" in response.headers["access-control-expose-headers"]
        assert int(response.headers["retry-after"]) > 1


def test_an_unexpected_failure_can_be_read_by_an_allowed_origin(models: Path, monkeypatch: Any) -> None:
    app = create_app(Settings(models=models, default_model="tiny", engine="onnx", cors_origins=["https://ok.example"]))
    with TestClient(app, raise_server_exceptions=False) as service:
        monkeypatch.setattr(app.state, "models", None)
        response = service.get("/models", headers={"Origin": "https://ok.example"})
        error_of(response, 500, "internal_error")
        assert response.headers["access-control-allow-origin"] == "https://ok.example"
        metric = 'gaia_redshift_requests_total{method="GET",route="/models",status="500"}'
        assert metric in service.get("/metrics").text


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://testserver"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://testserver:8001"},
        {"Origin": "http://testserver.evil.example"},
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/predict/csv", "/models/reload"])
def test_a_page_of_another_origin_cannot_post(service: TestClient, path: str, headers: dict[str, str]) -> None:
    response = service.post(path, files={"file": ("a.csv", b"flux_0\n1\n")}, headers=headers)
    error_of(response, 403, "forbidden")


@pytest.mark.parametrize(
    "headers", [{}, {"Sec-Fetch-Site": "same-origin", "Origin": "https://proxied"}, {"Origin": "http://testserver"}]
)
def test_its_own_pages_and_programs_can_post(service: TestClient, make_flux: Make, headers: dict[str, str]) -> None:
    body = {"spectra": [{"flux": make_flux(1)[0].tolist()}]}
    assert service.post("/predict", json=body, headers=headers).status_code == 200


def test_a_page_of_another_origin_can_follow_a_link(service: TestClient) -> None:
    assert service.get("/docs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "EVIL.example"])
def test_a_local_service_does_not_go_by_names_that_others_can_point_at_it(service: TestClient, host: str) -> None:
    error_of(service.get("/models", headers={"Host": host}), 421, "wrong_host")
    assert service.get("/health/live", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:9", "[::1]:8000", "10.0.0.1", "redshift:8000", "a.localhost"]
)
def test_a_local_service_goes_by_addresses_and_names_of_one_word(service: TestClient, host: str) -> None:
    assert service.get("/models", headers={"Host": host}).status_code == 200


def test_a_service_for_every_interface_goes_by_any_name_and_by_those_alone_that_are_set(models: Path) -> None:
    with serve(models, host="::") as service:
        assert service.get("/models", headers={"Host": "a.example"}).status_code == 200
    with serve(models, host="::", allowed_hosts=["z.example.org", "*.gaia.example"]) as service:
        for host, status in {
            "z.example.org:443": 200,
            "Z.Example.org": 200,
            "a.gaia.example": 200,
            "gaia.example": 421,
            "xgaia.example": 421,
            "localhost": 421,
        }.items():
            assert service.get("/models", headers={"Host": host}).status_code == status, host


def test_no_answer_repeats_the_host(service: TestClient) -> None:
    response = service.get("/models/", headers={"Host": "elsewhere"}, follow_redirects=False)
    error_of(response, 404, "not_found")
    assert "elsewhere" not in str(response.headers)
