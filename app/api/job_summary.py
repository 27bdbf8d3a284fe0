"""A summary of all rows of a job, for the page; and the rows as a table of any format."""

from typing import Annotated, Any

import numpy as np
import orjson
import pyarrow
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api import job_docs as docs
from app.api.jobs import CurrentCaller
from app.api.tables import FormatName
from app.errors import WrongPhaseError
from app.jobs.job import Job
from app.serving.registry import Model, Models
from app.wire.query import refuse_unknown_parameters
from app.wire.spooled import Draft
from gaia_redshift.errors import RedshiftError
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.media import JSON
from gaia_redshift.spectra import FloatArray, SpectrumBatch
from gaia_redshift.tables.formats import FORMATS, QP, check_densities

router = APIRouter(tags=["jobs"], dependencies=[Depends(refuse_unknown_parameters)], responses=docs.ERRORS)

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

    def look() -> tuple[Summary, FloatArray | None]:
        rows = Rows(caller.desk.files, job.id, caller.desk.store.parts(job))
        found = summarise(rows, _conditions(filter))
        return found, rows.spectra(found.stacked) if len(found.stacked) else None

    found, flux = await caller.desk.do(look)
    content = {
        "rows_total": job.rows_total,
        "rows_done": job.rows_done,
        "rows_matched": found.matched,
        **found.counts,
        "stacked": None if flux is None else await _stack(request, job, flux),
    }
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), media_type=JSON)


async def _stack(request: Request, job: Job, flux: FloatArray) -> dict[str, Any] | None:
    """Return the mean density of spectra under the job's prior; None where its model has none, or is gone."""
    models: Models = request.app.state.models
    try:
        model: Model = models.get(job.asked_for.model)
    except RedshiftError:
        return None
    if model.bundle.bins is None:
        return None
    with model:
        batch = SpectrumBatch(flux, None, {}, model.bundle.grid)
        found = await model.predict_merged(batch, AnswerOptions(job.asked_for.prior, True))
    density = found.redshifts.pdf
    if density is None:
        return None
    return {"rows": len(flux), "bin_edges": model.manifest.bin_edges, "density": np.nanmean(density, axis=0)}


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
