"""``GET /models``: what is loaded, with its manifest."""

from typing import Literal

from fastapi import APIRouter, Request

from app.bundle import Manifest
from app.model import Model, Models
from app.schemas import ErrorReply, Wire

router = APIRouter(tags=["models"])


class ModelDescription(Wire):
    """One loaded model."""

    default: bool
    """Whether it answers requests that name no model."""
    engine: Literal["onnx", "keras"]
    device: str
    manifest: Manifest


class ModelList(Wire):
    """All loaded models."""

    models: list[ModelDescription]


@router.get("/models", summary="The loaded models")
def list_models(request: Request) -> ModelList:
    """List the loaded models: what each was trained on, how well it does, and its files' hashes."""
    models: Models = request.app.state.models
    return ModelList(models=[_describe(model, models) for model in models])


@router.get("/models/{name}", summary="One model", responses={404: {"model": ErrorReply}, 422: {"model": ErrorReply}})
def get_model(name: str, request: Request) -> ModelDescription:
    """Describe one loaded model."""
    models: Models = request.app.state.models
    return _describe(models.get(name), models)


def _describe(model: Model, models: Models) -> ModelDescription:
    return ModelDescription(
        default=model is models.default,
        engine=model.engine.name,
        device=model.engine.device,
        manifest=model.manifest,
    )
