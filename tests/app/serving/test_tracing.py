from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.main import create_app
from app.settings import Settings

TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_a_request_makes_a_span_in_the_callers_trace_and_a_health_check_none(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    monkeypatch.setattr("opentelemetry.sdk.trace.export.BatchSpanProcessor", lambda _: SimpleSpanProcessor(spans))
    settings = Settings(models=models, default_model="tiny", engine="onnx", tracing=True)
    with TestClient(create_app(settings)) as service:
        service.get("/health/live")
        service.get("/models", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    (span,) = spans.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE
    assert span.resource.attributes["service.name"] == "gaia-redshift"


def test_without_the_setting_opentelemetry_is_not_imported(models: Path) -> None:
    app = create_app(Settings(models=models, default_model="tiny", engine="onnx"))
    assert not any("OpenTelemetry" in str(layer) for layer in app.user_middleware)
