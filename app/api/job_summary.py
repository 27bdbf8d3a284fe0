"""What a page shows of all rows of a job together, n(z) among it; and the rows as a table of any format."""

from dataclasses import replace
from typing import Annotated, Any

import numpy as np
import orjson
import pyarrow
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api import job_docs as docs
from app.api.jobs import CurrentCaller
from app.api.nz import Width, answer
from app.errors import WrongPhaseError
from app.jobs.job import Job
from app.serving.registry import Model, Models
from app.serving.sample import Distribution, Inferred, in_thread
from app.wire.job_options import FormatName
from app.wire.query import DaliRoute, refuse_unknown_parameters
from app.wire.schemas import DistributionReply
from app.wire.spooled import Draft
from gaia_redshift.errors import RedshiftError
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.media import JSON
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.formats import FORMATS, QP, check_densities

router = APIRouter(
    tags=["jobs"],
    route_class=DaliRoute,
    dependencies=[Depends(refuse_unknown_parameters)],
    responses=docs.ERRORS,
)

Filter = Annotated[str | None, Query(max_length=2000, description="Conditions, as of the rows")]


def _conditions(text: str | None) -> list[str]:
    return [one for one in (text or "").split(";") if one.strip()]


@router.get("/jobs/{id}/summary", summary="All rows of a job together: counts, n(z), brightness against redshift")
async def get_summary(request: Request, caller: CurrentCaller, id: str, filter: Filter = None) -> Response:  # noqa: A002
    """Count the rows that fit all conditions, and stack the densities of some of them, evenly chosen."""
    from app.jobs.rows import Rows
    from app.jobs.summary import Summary, summarise

    job = await caller.job(id)
    if not job.rows_done:
        raise WrongPhaseError(f"job {id} is {job.phase} and has no rows that are done yet: ask again")

    def look() -> tuple[Summary, SpectrumBatch | None]:
        rows = Rows(caller.desk.files, job.id, caller.desk.store.parts(job))
        found = summarise(rows, _conditions(filter))
        return found, rows.spectra(found.stacked) if len(found.stacked) else None

    found, stacked = await caller.desk.do(look)
    content = {
        "rows_total": job.rows_total,
        "rows_done": job.rows_done,
        "rows_matched": found.matched,
        **found.counts,
        "stacked": None if stacked is None else await _stack(request, job, stacked),
    }
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)


async def _stack(request: Request, job: Job, batch: SpectrumBatch) -> dict[str, Any] | None:
    """Return the mean density of spectra under the job's prior; None where its model has none, or is gone."""
    models: Models = request.app.state.models
    try:
        model: Model = models.get(job.asked_for.model)
    except RedshiftError:
        return None
    if model.bundle.bins is None:
        return None
    with model:
        batch = replace(batch, grid=model.bundle.grid)
        found = await model.predict_merged(batch, AnswerOptions(job.asked_for.prior, True))
    density = found.redshifts.pdf
    if density is None:
        return None
    return {"rows": len(batch), "bin_edges": model.manifest.bin_edges, "density": np.nanmean(density, axis=0)}


@router.get(
    "/jobs/{id}/nz",
    summary="The redshift distribution of a job's galaxies, as inferred",
    response_model=DistributionReply,
)
async def get_nz(
    request: Request,
    caller: CurrentCaller,
    id: str,  # noqa: A002 - what it is
    *,
    width: Width = 0.05,
) -> Response:
    """Infer it of at most 5,000 rows with a redshift, evenly chosen, once the job is over; the reply is that of `/nz`.

    There is no filter: what is chosen by its redshift or its brightness has other errors than the model knows.
    """
    from app.jobs.rows import Rows
    from app.jobs.summary import sample

    job = await caller.job(id)
    if not job.over or not job.rows_done:
        raise WrongPhaseError(f"job {id} is {job.phase}: ask again for its n(z) when it is over")
    models: Models = request.app.state.models
    model = models.get(job.asked_for.model)
    gathered = model.predictor.likelihoods()

    def look() -> SpectrumBatch:
        rows = Rows(caller.desk.files, job.id, caller.desk.store.parts(job))
        chosen = sample(rows)
        return rows.spectra(chosen) if len(chosen) else SpectrumBatch(np.empty((0, model.bundle.grid.samples), "f4"))

    async def infer() -> Distribution:
        batch = replace(await caller.desk.do(look), grid=model.bundle.grid)
        with model:
            found = (await model.predict_merged(batch, AnswerOptions("flat", pdf=True))).redshifts
        if found.pdf is not None:
            gathered.add(found.pdf, found.flags)
        return Distribution(model.manifest.id, "flat", len(batch), await in_thread(gathered.infer))

    inferred: Inferred = request.app.state.inferred
    return Response(answer(await inferred.get(job.id, infer), width), media_type=JSON)


@router.get(
    "/jobs/{id}/table",
    summary="A job's rows as a table of any format",
    response_class=Response,
    responses=docs.TABLE,
)
async def get_table(
    request: Request,
    caller: CurrentCaller,
    id: str,  # noqa: A002 - what it is
    *,
    format: Annotated[FormatName, Query(description="Of the table")] = "csv",  # noqa: A002 - what it is
    filter: Filter = None,  # noqa: A002 - what it is
) -> Response:
    """Return the rows that are done and fit all conditions, with all their columns, in the order of the table."""
    from app.jobs.rows import ROW, Rows
    from app.jobs.work import read_part

    job = await caller.job(id)
    written = QP if format == "qp" else FORMATS[format]
    check_densities(written, job.asked_for.pdf)
    if not job.rows_done:
        raise WrongPhaseError(f"job {id} is {job.phase} and has no rows that are done yet: ask again")

    def write(draft: Draft) -> None:
        parts = caller.desk.store.parts(job)
        chosen = Rows(caller.desk.files, job.id, parts).matching([ROW], _conditions(filter))[ROW].to_numpy()
        writer = None
        for part in parts:
            first = part.first_row
            for rows in read_part(caller.desk.files, job.id, part):
                if writer is None:
                    about = {name.decode(): text.decode() for name, text in (rows.schema.metadata or {}).items()}
                    writer = written.writer(draft.file, about)
                start, stop = np.searchsorted(chosen, (first, first + len(rows)))
                writer.write(rows.take(pyarrow.array(chosen[start:stop] - first)))
                first += len(rows)
        if writer is not None:
            writer.close()

    with Draft(request.app.state.settings.jobs_max_bytes) as draft:
        await caller.desk.do(lambda: write(draft))
        name = f"redshifts-{job.id}{written.extensions[0]}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return draft.reply(written.media_types[0], headers)
