"""``GET /models``: the loaded models with their manifests; ``POST /models/reload``: load the folder again."""

import multiprocessing
import os
import signal
from typing import Literal

from fastapi import APIRouter, Depends, Request

from app.serving import metrics
from app.serving.registry import Model, Models
from app.wire.query import refuse_unknown_parameters
from gaia_redshift.bundle import Manifest
from gaia_redshift.client.messages import ErrorReply, Wire
from gaia_redshift.errors import RedshiftError
from gaia_redshift.interpretation.quality import QualityFlag

router = APIRouter(tags=["models"], dependencies=[Depends(refuse_unknown_parameters)])


class ModelDescription(Wire):
    """One loaded model."""

    default: bool
    """Whether it is used for requests that name no model."""
    engine: Literal["onnx", "keras"]
    device: str
    bins: int | None
    """Number of redshift bins of its density; None for a point model."""
    priors: list[Literal["survey", "flat", "sample", "table"]]
    """The priors that a request may use; `sample` stands for the request's own, `table` for the user's."""
    quality_flags: list[QualityFlag]
    """The quality flags that the model can raise."""
    manifest: Manifest


class ModelList(Wire):
    """All loaded models."""

    models: list[ModelDescription]


@router.get("/models", summary="The loaded models")
def list_models(request: Request) -> ModelList:
    """List the loaded models: training data, measured accuracy, and the hashes of their files."""
    models: Models = request.app.state.models
    return ModelList(models=[_describe(model, models) for model in models])


@router.post(
    "/models/reload",
    summary="Load the models anew",
    responses={status: {"model": ErrorReply} for status in (401, 403, 409)},
)
async def reload_models(request: Request) -> ModelList:
    """Load the models folder again; needs an admin key. Requests are answered meanwhile.

    If a bundle is incomplete or altered, nothing changes (409). With several worker processes, the reply describes the
    one that answers; the others reload right after.
    """
    models: Models = request.app.state.models
    await reload_here(models)
    if multiprocessing.parent_process() is not None:  # in a worker, the supervisor signals the others
        os.kill(os.getppid(), signal.SIGHUP)
    return list_models(request)


async def reload_here(models: Models) -> None:
    """Reload the models of this process, and count it."""
    try:
        await models.reload()
    except RedshiftError:
        metrics.RELOADS.labels("refused").inc()
        raise
    metrics.RELOADS.labels("done").inc()
    metrics.BUNDLES_REFUSED.set(0)


@router.get("/models/{name}", summary="One model", responses={404: {"model": ErrorReply}, 422: {"model": ErrorReply}})
def get_model(name: str, request: Request) -> ModelDescription:
    """Describe one loaded model, by `name` (its highest version) or `name@version`."""
    models: Models = request.app.state.models
    return _describe(models.get(name), models)


def _describe(model: Model, models: Models) -> ModelDescription:
    grid = model.bundle.bins
    return ModelDescription(
        default=model is models.default,
        engine=model.predictor.engine.name,
        device=model.predictor.engine.device,
        bins=None if grid is None else len(grid.widths),
        priors=["survey"] if grid is None else ["survey", "flat", "sample", "table"],
        quality_flags=list(model.bundle.flags),
        manifest=model.manifest,
    )
