"""``GET /health/live``, ``/health/ready`` and ``/metrics``, for orchestrators, load balancers and monitoring."""

import asyncio
import contextlib
from typing import Literal

from fastapi import APIRouter, Request, Response

from app.errors import DatabaseUnavailableError, NotReadyError
from app.serving import metrics
from gaia_redshift.client.messages import ErrorReply, Wire

router = APIRouter(tags=["health"])


class Live(Wire):
    """The process is running."""

    status: Literal["live"] = "live"


class Ready(Wire):
    """The process is ready to predict."""

    status: Literal["ready"] = "ready"
    models: list[str]


@router.get("/health/live", summary="Is the process alive?")
async def live() -> Live:
    """Return 200 while the process runs, whatever the state of the models."""
    return Live()


@router.get("/health/ready", summary="Can it predict?", responses={503: {"model": ErrorReply}})
async def ready(request: Request) -> Ready:
    """Return 200 once every model has made a warm-up prediction, 503 before that and while shutting down."""
    if not request.app.state.ready:
        raise NotReadyError("the service is starting up or shutting down")
    return Ready(models=[model.manifest.id for model in request.app.state.models])


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def get_metrics(request: Request) -> Response:
    """Return the metrics of all worker processes in Prometheus' text format (docs/reference/metrics.md)."""
    metrics.count_waiting()
    if (desk := request.app.state.jobs) is not None:
        with contextlib.suppress(DatabaseUnavailableError):  # keep the last numbers
            metrics.count_jobs(*await desk.do(desk.store.counts))
    return Response(await asyncio.to_thread(metrics.render), media_type=metrics.CONTENT_TYPE)
