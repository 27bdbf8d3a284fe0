"""``POST /predict`` and ``POST /predict/csv``."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Annotated, Any, TypeVar

import orjson
from fastapi import APIRouter, Query, Request, Response

from app.api.body import media_type, negotiate, uploaded_table
from app.errors import BodyTooLargeError, UnsupportedByModelError, UnsupportedMediaTypeError
from app.model import Model, Models
from app.redshift import Predictions
from app.schemas import ErrorReply, PredictReply, PredictRequest, read_request, reply_rows
from app.settings import Settings
from app.spectra import SpectrumBatch
from app.tables.csv import read_csv, write_csv

router = APIRouter(tags=["predict"])

JSON = "application/json"
CSV = "text/csv"

_Result = TypeVar("_Result")

_IN_THREAD_BYTES = 128 << 10
"""Decoding more than this in the event loop would hold up the other clients."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorReply, "description": "The body is not what its Content-Type says"},
    404: {"model": ErrorReply, "description": "There is no such model"},
    413: {"model": ErrorReply, "description": "The body is too large"},
    415: {"model": ErrorReply, "description": "The Content-Type is not supported"},
    422: {"model": ErrorReply, "description": "The content breaks the schema; details name the places"},
    429: {"model": ErrorReply, "description": "Too many spectra wait; try again after Retry-After seconds"},
    503: {"model": ErrorReply, "description": "The service is starting up or shutting down"},
}

_CSV_BODY = {
    "required": True,
    "content": {
        CSV: {
            "schema": {"type": "string"},
            "example": "source_id,flux_0,...,flux_185\n4295806720,0.35,...,5.12\n",
        },
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}


async def _off_loop(size: int, work: Callable[[], _Result]) -> _Result:
    """Run `work` in a thread if it is about `size` bytes long and that is much, else at once."""
    return await asyncio.to_thread(work) if size > _IN_THREAD_BYTES else work()


@router.post(
    "/predict",
    summary="Redshifts of spectra sent as JSON",
    response_model=PredictReply,
    responses=_ERRORS,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {JSON: {"schema": {"$ref": f"#/components/schemas/{PredictRequest.__name__}"}}},
        }
    },
)
async def predict(request: Request) -> Response:
    """Predict the redshift of each spectrum: point estimate, 68% and 95% interval, quality flags.

    Each spectrum is either `flux` (80 BP and 106 RP samples) or `bp` and `rp`; arrays of 120 samples are
    truncated by the service. Fluxes are in e-/s per sample, blue to red. A wrong type or length refuses the
    whole request and names the place; a well-formed but unusable spectrum (all zero, constant, other units)
    gives that row `status: error` and the others their redshift.
    """
    if media_type(request) != JSON:
        raise UnsupportedMediaTypeError(f"the Content-Type is {media_type(request)!r}; send {JSON}")
    settings: Settings = request.app.state.settings
    body = await request.body()
    batch, options = await _off_loop(len(body), lambda: read_request(body, settings.max_spectra))
    models: Models = request.app.state.models
    model = models.get(options.model)
    _refuse_density(model, options)
    predictions = await model.predict_merged(batch)
    return await _off_loop(len(body), lambda: _json_reply(model, reply_rows(predictions)))


def _refuse_density(model: Model, options: PredictRequest) -> None:
    """Raise UnsupportedByModelError: a point model has no p(z) to return or to weigh with a prior."""
    for asked, wish in ((options.pdf, "pdf"), (options.prior == "flat", "prior: flat")):
        if asked:
            raise UnsupportedByModelError(
                f"{model.manifest.name} gives one redshift, not a density: {wish} needs a density model"
            )


def _json_reply(model: Model, rows: list[dict[str, Any]]) -> Response:
    content = {"model": {"name": model.manifest.name, "version": model.manifest.version}, "predictions": rows}
    return Response(orjson.dumps(content), media_type=JSON)


@router.post(
    "/predict/csv",
    summary="Redshifts of an uploaded CSV table",
    response_model=PredictReply,
    responses={
        200: {"description": "CSV or JSON, as Accept says; CSV where it says nothing", "content": {CSV: {}}},
        406: {"model": ErrorReply, "description": "Neither CSV nor JSON is acceptable"},
        **_ERRORS,
    },
    openapi_extra={"requestBody": _CSV_BODY},
)
async def predict_csv(
    request: Request,
    model: Annotated[str | None, Query(max_length=64, description="A name from /models")] = None,
) -> Response:
    """Predict every row of a table, sent as a multipart upload (part `file`) or as a raw `text/csv` body.

    Columns: `flux_0` to `flux_185`, or `bp_0..` (80 or 120) and `rp_0..` (106 or 120), in any order; `source_id`
    is optional, other columns are ignored. Every row is answered in its place: a bad one with `status` `error`
    and the reason, the others with their redshift.
    """
    chosen = request.app.state.models.get(model)
    reply_type = negotiate(request, (CSV, JSON))
    texts: list[str] = []
    rows: list[dict[str, Any]] = []

    async def keep(predictions: Predictions) -> None:
        if reply_type == CSV:
            texts.append(await asyncio.to_thread(write_csv, predictions, header=not texts))
        else:
            rows.extend(await asyncio.to_thread(reply_rows, predictions))

    async with uploaded_table(request, (CSV,)) as file:
        await _predict_blocks(read_csv(file), chosen, request.app.state.settings.max_rows, keep)
    if reply_type == JSON:
        return await asyncio.to_thread(_json_reply, chosen, rows)
    return Response(
        "".join(texts),
        media_type=CSV,
        headers={"X-Model": f"{chosen.manifest.name} {chosen.manifest.version}"},
    )


async def _predict_blocks(
    blocks: Iterator[SpectrumBatch],
    model: Model,
    max_rows: int,
    keep: Callable[[Predictions], Awaitable[None]],
) -> None:
    """Predict block after block, reading the next while the network works on this one."""
    total = 0
    batch = await asyncio.to_thread(next, blocks, None)
    while batch is not None:
        total += len(batch)
        if total > max_rows:
            raise BodyTooLargeError(f"the table has more than {max_rows} rows: split it, or raise the limit")
        reading = asyncio.create_task(asyncio.to_thread(next, blocks, None))
        try:
            await keep(await model.predict_merged(batch))
        finally:
            # The reader must be done with the file before it is closed, whatever happened here.
            await asyncio.wait([reading])
        batch = reading.result()
