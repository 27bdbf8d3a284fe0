"""The UWS resources of a job: quote, execution duration, destruction, owner, parameters, error, results."""

import orjson
from fastapi import APIRouter, Request, Response

from app.api import job_docs as docs
from app.api.jobs import PLAIN, XML, CurrentCaller, read_form, see_job, wants_json
from app.errors import WrongPhaseError
from app.jobs.job import Parameters
from app.jobs.replies import iso
from app.wire.job_options import read_moment, read_number, read_options
from app.wire.votable import VOTABLE, wants_votable, write_error
from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.media import JSON

router = APIRouter(tags=["jobs"], responses=docs.ERRORS)


@router.get("/jobs/{id}/quote", summary="When a job will end", response_class=Response, responses=docs.TEXT)
async def get_quote(caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return when the job will end at the speed so far; empty if that is unknown."""
    return Response(caller.reply(await caller.job(id)).quote or "", media_type=PLAIN)


@router.get(
    "/jobs/{id}/executionduration", summary="How long a job may take", response_class=Response, responses=docs.TEXT
)
async def get_duration(caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return the seconds of work that the job may take."""
    return Response(str((await caller.job(id)).duration), media_type=PLAIN)


@router.post(
    "/jobs/{id}/executionduration",
    summary="Change how long a job may take",
    response_class=Response,
    responses=docs.SEE_JOB,
    openapi_extra=docs.form("EXECUTIONDURATION"),
)
async def set_duration(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Set the seconds of work that the job may take, up to the service's limit; 0 is the limit."""
    given = await read_form(request, "executionduration")
    seconds = read_number("EXECUTIONDURATION", str(given.get("executionduration", "")), 0)
    job = await caller.desk.do(lambda: caller.desk.store.set_duration(caller.owner, id, seconds))
    return see_job(f"../{id}", request, caller.reply(job))


@router.get("/jobs/{id}/destruction", summary="When a job is destroyed", response_class=Response, responses=docs.TEXT)
async def get_destruction(caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return when the job and its files will be deleted."""
    return Response(iso((await caller.job(id)).destruction) or "", media_type=PLAIN)


@router.post(
    "/jobs/{id}/destruction",
    summary="Change when a job is destroyed",
    response_class=Response,
    responses=docs.SEE_JOB,
    openapi_extra=docs.form("DESTRUCTION"),
)
async def set_destruction(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Set when the job and its files are deleted, up to the service's limit."""
    given = await read_form(request, "destruction")
    at = read_moment("DESTRUCTION", str(given.get("destruction", "")))
    job = await caller.desk.do(lambda: caller.desk.store.set_destruction(caller.owner, id, at))
    return see_job(f"../{id}", request, caller.reply(job))


@router.get("/jobs/{id}/owner", summary="Whose a job is", response_class=Response, responses=docs.TEXT)
async def get_owner(caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return the name of the API key that created the job; empty if the service has no keys."""
    return Response((await caller.job(id)).owner, media_type=PLAIN)


@router.get(
    "/jobs/{id}/parameters",
    summary="The parameters of a job",
    response_class=Response,
    responses={200: {"content": {"text/xml": {}, "application/json": {}}}},
)
async def get_parameters(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return the parameters of the job."""
    found = caller.reply(await caller.job(id))
    if wants_json(request):
        return Response(orjson.dumps(found.parameters), media_type=JSON)
    from app.jobs import uws

    return Response(uws.write_parameters(found), media_type=XML)


@router.post(
    "/jobs/{id}/parameters",
    summary="Change the parameters of a job that has not been run",
    response_class=Response,
    responses=docs.SEE_JOB,
    openapi_extra=docs.form(*Parameters.model_fields),
)
async def set_parameters(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Change parameters of the job, except its table; those not given are unchanged."""
    from app.api.job_intake import check_options, parameters_of

    given = await read_form(request, *Parameters.model_fields)
    before = (await caller.job(id)).asked_for.model_dump()
    options = read_options({**before, **given})
    parameters = parameters_of(options, check_options(options, request))
    job = await caller.desk.do(lambda: caller.desk.store.set_parameters(caller.owner, id, parameters))
    return see_job(f"../{id}", request, caller.reply(job))


@router.get(
    "/jobs/{id}/error",
    summary="Why a job failed",
    response_model=ErrorReply,
    responses={200: {"content": {VOTABLE: {}}}},
)
async def get_error(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return why the job failed, in the one shape of errors, or as a VOTable if Accept asks; 409 if it did not."""
    job = await caller.job(id)
    if job.error is None:
        raise WrongPhaseError(f"job {id} is {job.phase}: it has no error")
    if wants_votable(request.scope):
        return Response(write_error({"error": job.problem}), media_type=VOTABLE)
    return Response(job.error, media_type=JSON)


@router.get(
    "/jobs/{id}/results",
    summary="The addresses of a job's results",
    response_class=Response,
    responses={200: {"content": {"text/xml": {}, "application/json": {}}}},
)
async def get_results(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return the addresses of the job's results."""
    found = caller.reply(await caller.job(id))
    if wants_json(request):
        return Response(orjson.dumps([one.model_dump() for one in found.results]), media_type=JSON)
    from app.jobs import uws

    return Response(uws.write_results(found), media_type=XML)
