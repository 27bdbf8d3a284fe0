import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.errors import OverloadedError
from app.main import create_app
from app.settings import Settings
from gaia_redshift.spectra import DR3, FloatArray
from tests.tiny import tiny_redshift, write_tiny_bundle

Make = Callable[[int], FloatArray]
JSON = {"Content-Type": "application/json"}


def send(service: TestClient, *spectra: Any, **options: Any) -> Any:
    return service.post("/predict", json={"spectra": spectra, **options})


def error_of(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert set(response.json()) == {"error"}
    error = response.json()["error"]
    assert set(error) == {"code", "message", "details"}
    assert error["code"] == code
    return error


def test_every_spectrum_is_answered_in_its_place(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(300)
    reply = send(service, *({"flux": row.tolist(), "source_id": number} for number, row in enumerate(flux))).json()
    assert reply["model"] == {"name": "tiny", "version": "1.2.3"}
    assert [row["source_id"] for row in reply["predictions"]] == [str(number) for number in range(300)]
    assert [row["redshift"] for row in reply["predictions"]] == pytest.approx(tiny_redshift(flux).tolist(), abs=1e-6)


def test_a_reply_holds_interval_and_flags(service: TestClient, make_flux: Make) -> None:
    (row,) = send(service, {"flux": make_flux(1)[0].tolist()}).json()["predictions"]
    assert set(row) == {
        *("status", "redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95", "quality")
    }
    assert row["status"] == "ok"
    ends = [
        row[name] for name in ("redshift_lower95", "redshift_lower", "redshift", "redshift_upper", "redshift_upper95")
    ]
    assert ends == sorted(ends)


def test_bp_and_rp_of_120_samples_are_truncated_by_the_service(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(1)[0].tolist()
    bp, rp = [99.0] * 34 + flux[:80] + [99.0] * 6, [99.0] * 4 + flux[80:] + [99.0] * 10
    rows = send(service, {"flux": flux}, {"bp": bp, "rp": rp}, {"bp": flux[:80], "rp": rp}).json()["predictions"]
    assert rows[0] == rows[1] == rows[2]


def test_an_unusable_spectrum_gets_its_reason_and_the_others_their_redshift(
    service: TestClient, make_flux: Make
) -> None:
    good = make_flux(1)[0].tolist()
    rows = send(service, {"flux": good}, {"flux": [0] * DR3.samples}, {"flux": [1e-17 * f for f in good]}).json()
    assert [row["status"] for row in rows["predictions"]] == ["ok", "error", "error"]
    codes = [row["error"]["code"] for row in rows["predictions"][1:]]
    assert codes == ["constant_spectrum", "implausible_units"]
    assert "redshift" not in rows["predictions"][1]


def test_a_number_beyond_single_precision_is_an_error_of_its_row(service: TestClient, make_flux: Make) -> None:
    flux = make_flux(1)[0].tolist()
    (row,) = send(service, {"flux": [1e300, *flux[1:]]}).json()["predictions"]
    assert row["error"]["code"] == "not_finite"


@pytest.mark.parametrize("value", ['"1.5"', "true", "null", "NaN", "Infinity", "1e999", "[]"])
def test_one_wrong_number_refuses_the_request_and_names_its_position(
    service: TestClient, make_flux: Make, value: str
) -> None:
    good = make_flux(1)[0].tolist()
    content = json.dumps({"spectra": [{"flux": good}, {"flux": [*good[:3], "HERE", *good[4:]]}]})
    response = service.post("/predict", content=content.replace('"HERE"', value), headers=JSON)
    error = error_of(response, 422, "invalid_request")
    assert [detail["at"] for detail in error["details"]] == ["spectra[1].flux[3]"]


@pytest.mark.parametrize("length", [0, 80, 185, 187, 240])
def test_a_wrong_length_refuses_the_request(service: TestClient, length: int) -> None:
    error = error_of(send(service, {"flux": [1.0] * length}), 422, "invalid_request")
    assert error["details"][0]["at"] == "spectra[0].flux"


@pytest.mark.parametrize("content", [b"", b"{", b"\x89PNG\r\n", b"[" * 50_000])
def test_a_body_that_is_not_json_is_400(service: TestClient, content: bytes) -> None:
    error_of(service.post("/predict", content=content, headers=JSON), 400, "malformed_body")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_media_type_is_415(service: TestClient, kind: str) -> None:
    error_of(service.post("/predict", content=b"{}", headers={"Content-Type": kind}), 415, "unsupported_media_type")


def test_an_unknown_model_is_404_and_the_known_ones_are_named(service: TestClient, make_flux: Make) -> None:
    error = error_of(send(service, {"flux": make_flux(1)[0].tolist()}, model="other"), 404, "unknown_model")
    assert "tiny" in error["message"]


@pytest.mark.parametrize("options", [{"pdf": True}, {"prior": "flat"}])
def test_a_point_model_says_that_it_has_no_density(service: TestClient, make_flux: Make, options: dict) -> None:
    error_of(send(service, {"flux": make_flux(1)[0].tolist()}, **options), 422, "unsupported_by_model")


def test_too_many_spectra_are_refused(models: Path, make_flux: Make) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", max_spectra=2)
    flux = make_flux(1)[0].tolist()
    with TestClient(create_app(settings)) as service:
        assert send(service, *[{"flux": flux}] * 2).status_code == 200
        error_of(send(service, *[{"flux": flux}] * 3), 422, "invalid_request")


@pytest.mark.parametrize("path", ["/predict", "/predict/csv"])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_above_the_limit_is_413_announced_or_chunked(models: Path, path: str, chunked: bool) -> None:
    settings = Settings(models=models, default_model="tiny", engine="onnx", max_body_bytes=1000, max_json_bytes=1000)

    def pieces() -> Iterator[bytes]:
        for _ in range(11):
            yield b" " * 100

    with TestClient(create_app(settings)) as service:
        kind = {"Content-Type": "application/json" if path == "/predict" else "text/csv"}
        content = pieces() if chunked else b" " * 1100
        error = error_of(service.post(path, content=content, headers=kind), 413, "body_too_large")
        assert "1000 bytes" in error["message"]
        upload = service.post("/predict/csv", files={"file": ("a.csv", b" " * 1100)})
        error_of(upload, 413, "body_too_large")


def test_too_much_waiting_work_is_429_with_retry_after(service: TestClient, make_flux: Make, monkeypatch: Any) -> None:
    async def full(_flux: FloatArray, _prior: str, **_: bool) -> None:
        raise OverloadedError("7 spectra are already waiting: try again in a moment")

    monkeypatch.setattr(service.app.state.models.default.batcher, "submit", full)  # type: ignore[attr-defined]
    response = send(service, {"flux": make_flux(1)[0].tolist()})
    error_of(response, 429, "overloaded")
    assert response.headers["retry-after"] == "1"


def test_an_unexpected_failure_is_500_without_its_trace(service: TestClient, make_flux: Make, monkeypatch: Any) -> None:
    async def broken(_flux: FloatArray, **_: bool) -> FloatArray:
        raise RuntimeError("secret path /srv/private")

    monkeypatch.setattr(service.app.state.models.default.batcher, "submit", broken)  # type: ignore[attr-defined]
    response = send(service, {"flux": make_flux(1)[0].tolist()})
    error_of(response, 500, "internal_error")
    assert "secret" not in response.text


def test_two_models_are_served_side_by_side(tmp_path: Path, make_flux: Make) -> None:
    for name in ("first", "second"):
        write_tiny_bundle(tmp_path / name, name)
    settings = Settings(models=tmp_path, default_model="second", engine="onnx")
    with TestClient(create_app(settings)) as service:
        spectrum = {"flux": make_flux(1)[0].tolist()}
        assert send(service, spectrum).json()["model"]["name"] == "second"
        assert send(service, spectrum, model="first").json()["model"]["name"] == "first"


def test_other_paths_and_methods_have_the_same_error_shape(service: TestClient) -> None:
    error_of(service.get("/nowhere"), 404, "not_found")
    response = service.get("/predict")
    error_of(response, 405, "method_not_allowed")
    assert response.headers["allow"] == "POST"
