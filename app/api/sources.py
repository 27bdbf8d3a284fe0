"""``POST /predict/sources``: redshifts of sources whose spectra are fetched from Gaia's archive; off unless enabled."""

import asyncio

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.api.predict import ERRORS, PRIOR, write_json
from app.errors import ForbiddenError
from app.serving.registry import Model
from app.settings import Settings
from app.wire.job_options import SourceId
from gaia_redshift.archive.batches import fetch_batch
from gaia_redshift.client.messages import ErrorReply, PredictReply
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.interpretation.prior import PriorChoice
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.media import JSON

router = APIRouter(tags=["predict"])


class SourcesRequest(BaseModel):
    """Source ids, and the options of the prediction."""

    model_config = ConfigDict(extra="forbid")

    source_ids: list[SourceId] = Field(min_length=1, description="Source ids of the Gaia release that the model reads")
    model: str | None = Field(None, max_length=128, description="`name` or `name@version` from /models")
    prior: PriorChoice = Field("survey", description=PRIOR)
    pdf: bool = Field(False, description="Also return the density per bin (density models only)")


@router.post(
    "/predict/sources",
    summary="Redshifts of sources whose spectra are fetched from Gaia's archive",
    response_model=PredictReply,
    responses={
        403: {"model": ErrorReply, "description": "Fetching spectra is off in this service"},
        502: {"model": ErrorReply, "description": "Gaia's archive failed, or refused the request"},
        **ERRORS,
    },
)
async def predict_sources(request: Request, asked_for: SourcesRequest) -> Response:
    """Predict the redshift of each source. A source without a spectrum in the archive has `status` `error`.

    Off unless `GAIA_REDSHIFT_ARCHIVE_URL` is set, since it makes the service call another one.
    """
    settings: Settings = request.app.state.settings
    if settings.archive_url is None:
        raise ForbiddenError("this service does not fetch spectra: set GAIA_REDSHIFT_ARCHIVE_URL, or send the spectra")
    ids = asked_for.source_ids
    if len(ids) > settings.max_spectra:
        raise InvalidRequestError(
            f"{len(ids)} sources in one request, but at most {settings.max_spectra} are allowed: send several requests",
            [Detail("source_ids", f"at most {settings.max_spectra} items")],
        )
    chosen: Model = request.app.state.models.get(asked_for.model)
    asked = AnswerOptions(asked_for.prior, asked_for.pdf)
    chosen.predictor.check(asked)
    with chosen:
        batch = await asyncio.to_thread(fetch_batch, settings.archive_url, chosen.predictor.bundle.grid, ids)
        request.scope["state"]["spectra"] = len(batch)
        predictions = await chosen.predict_merged(batch, asked)
    return Response(await asyncio.to_thread(write_json, chosen, asked, predictions), media_type=JSON)
