"""Routes for the page: a job's progress as events, its rows, one spectrum with its densities, and the grid."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray

from app.api import job_docs as docs
from app.api.jobs import Caller, CurrentCaller
from app.errors import HttpError
from app.jobs.job import Job
from app.serving.registry import Model, Models
from app.settings import Settings
from app.wire.query import DaliRoute, refuse_unknown_parameters
from gaia_redshift.errors import RedshiftError
from gaia_redshift.interpretation.prior import Prior, name_of
from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import COLUMNS, AnswerOptions
from gaia_redshift.media import JSON
from gaia_redshift.spectra import SpectrumBatch

router = APIRouter(
    tags=["jobs"],
    route_class=DaliRoute,
    dependencies=[Depends(refuse_unknown_parameters)],
    responses=docs.ERRORS,
)


MOST_ROWS = 1000
_LOOK_SECONDS = 0.4
_SILENCE_SECONDS = 15.0
"""Seconds after which a comment line is sent, since proxies close silent connections."""
_OF_ITS_TIME = 0.9
"""An event stream ends after this fraction of the time that a request may take; the client connects again."""


@router.get(
    "/grid",
    summary="Where the spectra of a model are sampled",
)
def get_grid(
    request: Request,
    model: Annotated[str | None, Query(max_length=128, description="`name` or `name@version` from /models")] = None,
) -> Response:
    """Return the wavelengths of the samples, in nm: those of BP and then those of RP, each blue to red."""
    models: Models = request.app.state.models
    grid = models.get(model).bundle.grid
    bands = [{"band": one.name, "samples": one.count, "untruncated": one.samples} for one in (grid.bp, grid.rp)]
    content = {
        "name": grid.name,
        "release": grid.release,
        "samples": grid.samples,
        "bands": bands,
        "wavelength_nm": np.round(grid.wavelength_nm, 3),
    }
    return _json(content)


@router.get(
    "/jobs/{id}/events",
    summary="A job's progress as server-sent events",
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {}}}},
)
async def get_events(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Send the job as an event `progress` now and at each change, and as `end` when it is over."""
    first = await caller.job(id)
    return StreamingResponse(_events(request, caller, first), media_type="text/event-stream", headers=_UNBUFFERED)


_UNBUFFERED = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


async def _events(request: Request, caller: Caller, job: Job) -> AsyncIterator[bytes]:
    settings: Settings = request.app.state.settings
    end = time.monotonic() + _OF_ITS_TIME * settings.request_seconds
    said = time.monotonic()
    yield _event(caller, job)
    while not job.over and request.app.state.ready and time.monotonic() < end:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            now = await caller.job(job.id)
        except RedshiftError as error:  # deleted, or the database does not answer: the client connects again
            yield b"event: error\ndata: " + orjson.dumps(error.body()) + b"\n\n"
            return
        if now.changed != job.changed:
            job, said = now, time.monotonic()
            yield _event(caller, job)
        elif time.monotonic() - said > _SILENCE_SECONDS:
            said = time.monotonic()
            yield b": \n\n"


def _event(caller: Caller, job: Job) -> bytes:
    name = b"end" if job.over else b"progress"
    return (
        b"event: " + name + b"\nid: %d\ndata: " % job.changed + caller.reply(job).model_dump_json().encode() + b"\n\n"
    )


@router.get("/jobs/{id}/rows", summary="A page of a job's finished rows")
async def get_rows(
    caller: CurrentCaller,
    id: str,  # noqa: A002 - what it is
    *,
    offset: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 100,
    sort: Annotated[
        str | None, Query(max_length=200, description="A column; with `-` before it, in descending order")
    ] = None,
    filter: Annotated[  # noqa: A002 - what it is
        str | None, Query(max_length=2000, description="Conditions such as `redshift>0.1`, separated by semicolons")
    ] = None,
) -> Response:
    """Return the rows that meet all conditions, in table order or sorted, without array columns."""
    from app.jobs.rows import Rows

    job = await caller.job(id)
    conditions = [one for one in (filter or "").split(";") if one.strip()]

    def look() -> bytes:
        page = Rows(caller.desk.files, job.id, caller.desk.store.parts(job)).page(offset, limit, sort, conditions)
        content = {
            "rows_total": job.rows_total,
            "rows_done": page.done,
            "rows_matched": page.matched,
            "offset": offset,
            "columns": page.columns,
            "rows": page.rows,
        }
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)

    return Response(await caller.desk.do(look), media_type=JSON)


@router.get("/jobs/{id}/rows/{number}", summary="One row of a job with its spectrum and its densities")
async def get_row(request: Request, caller: CurrentCaller, id: str, number: int) -> Response:  # noqa: A002 - what it is
    """Return a row, its spectrum, and the probability density of its redshift under each prior of the model."""
    from app.jobs.rows import Rows
    from app.jobs.table import errors_of_row

    job = await caller.job(id)
    if not 0 <= number < job.rows_done:
        raise HttpError(f"job {id} has {job.rows_done} finished rows, counted from 0: there is no row {number}", 404)
    model = _model(request, job)
    grid = model.bundle.grid

    def look() -> tuple[dict[str, Any], SpectrumBatch, NDArray[np.float64] | None]:
        rows = Rows(caller.desk.files, job.id, caller.desk.store.parts(job))
        (row,) = rows.rows(np.array([number]))
        return row, rows.spectra(np.array([number])), errors_of_row(job, caller.desk.files, grid, number)

    row, batch, error = await caller.desk.do(look)
    flux = batch.flux[0]
    content = {
        "row": row,
        "model": model.manifest.id,
        "grid": grid.name,
        "wavelength_nm": np.round(grid.wavelength_nm, 3),
        "flux": None if np.isnan(flux).any() else flux,
        "error": error,
        "bin_edges": model.manifest.bin_edges,
        "answers": await _answers(model, job, replace(batch, grid=grid)),
    }
    return _json(content)


def _model(request: Request, job: Job) -> Model:
    models: Models = request.app.state.models
    return models.get(job.asked_for.model)


async def _answers(model: Model, job: Job, batch: SpectrumBatch) -> list[dict[str, Any]]:
    """Return the answers for a spectrum under each prior: the model's, and the job's own."""
    if np.isnan(batch.flux).any():
        return []
    bins = model.bundle.bins is not None
    priors: list[Prior] = ["survey", "flat"] if bins else ["survey"]
    if job.asked_for.prior not in priors:
        priors.append(job.asked_for.prior)
    answers = []
    with model:
        for prior in priors:
            found = (await model.predict_merged(batch, AnswerOptions(prior, bins))).redshifts
            if np.isnan(found.redshift[0]):
                return []
            answers.append(
                {
                    "prior": name_of(prior),
                    **dict(zip(COLUMNS, found.values[0].tolist(), strict=True)),
                    "quality": flag_names(int(found.flags[0])),
                    "pdf": None if found.pdf is None else found.pdf[0],
                }
            )
    return answers


def _json(content: Any) -> Response:
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)
