"""``GET /health/live`` and ``/health/ready``, for whoever restarts or routes to the service."""

from typing import Literal

from fastapi import APIRouter, Request

from app.errors import NotReadyError
from app.schemas import ErrorReply, Wire

router = APIRouter(prefix="/health", tags=["health"])


class Live(Wire):
    """The process answers."""

    status: Literal["live"] = "live"


class Ready(Wire):
    """The process predicts."""

    status: Literal["ready"] = "ready"
    models: list[str]


@router.get("/live", summary="Is the process alive?")
async def live() -> Live:
    """Answer as long as the process does; it says nothing about the models."""
    return Live()


@router.get("/ready", summary="Can it predict?", responses={503: {"model": ErrorReply}})
async def ready(request: Request) -> Ready:
    """Answer 200 once every model has made its warm-up prediction, 503 before and while shutting down."""
    if not request.app.state.ready:
        raise NotReadyError("the service is starting up or shutting down")
    return Ready(models=[model.manifest.name for model in request.app.state.models])
