"""OpenTelemetry traces, if switched on; needs the extra ``otel``. Imports `errors`.

Their destination is set by OpenTelemetry's own variables, such as ``OTEL_EXPORTER_OTLP_ENDPOINT``.
"""

from fastapi import FastAPI

from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.installation import how_to_install


def trace(app: FastAPI) -> None:
    """Add the outermost middleware, which makes a span for each request and continues the caller's ``traceparent``.

    Raises
    ------
    MissingDependencyError
        If OpenTelemetry is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise MissingDependencyError(f"traces need OpenTelemetry: {how_to_install('otel')}") from error
    provider = TracerProvider(resource=Resource.create({"service.name": "gaia-redshift"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    app.state.tracer_provider = provider
    app.add_middleware(
        OpenTelemetryMiddleware,
        tracer_provider=provider,
        excluded_urls="health/live,health/ready,metrics",
        exclude_spans=["receive", "send"],
    )
