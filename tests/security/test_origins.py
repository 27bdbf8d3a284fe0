"""What pages of other origins may do, by which names the service goes, and the headers that tell browsers so."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.serving.security import hash_key
from app.settings import Settings
from gaia_redshift.spectra import FloatArray
from tests.app.api.test_predict import error_of
from tests.security.test_access import ALICE, serve

Make = Callable[[int], FloatArray]


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
