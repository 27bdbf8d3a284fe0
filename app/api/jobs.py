"""``/jobs``: jobs for large tables, by IVOA UWS 1.1, in XML and JSON; off unless the service has a folder for them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from app.api import job_docs as docs
from app.api.static import File
from app.errors import ForbiddenError, HttpError, WrongPhaseError
from app.jobs.job import ACTIVE, Job, Phase
from app.jobs.replies import RESULT, reply
from app.wire.fields import read_fields
from app.wire.job_options import by_name, read_moment, read_number
from app.wire.uploads import negotiate
from gaia_redshift.client.job_messages import JobList, JobReply
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.media import JSON

if TYPE_CHECKING:  # SQLAlchemy is loaded only if jobs are on
    from app.jobs.desk import Desk

router = APIRouter(tags=["jobs"], responses=docs.ERRORS)

XML, PLAIN = "text/xml", "text/plain"
_LONGEST_WAIT = 50.0
"""Longest wait in seconds, since proxies close a silent connection after a minute; clients may ask again."""
_PIECE = 256 << 10
_MOST_BYTES = 64 << 10
"""Most bytes of a body with parameters only."""


class Caller(NamedTuple):
    """The owner that a request comes from, and the jobs' desk."""

    desk: "Desk"
    owner: str
    base: str

    async def job(self, id: str) -> Job:  # noqa: A002 - what it is
        """Return one of the owner's jobs; raises UnknownJobError."""
        return await self.desk.do(lambda: self.desk.store.get(self.owner, id))

    def reply(self, job: Job) -> JobReply:
        """Return the description of a job."""
        return reply(job, self.base)


def find_caller(request: Request) -> Caller:
    """Return the caller of a request; raises ForbiddenError if jobs are off."""
    desk: Desk | None = request.app.state.jobs
    if desk is None:
        raise ForbiddenError("jobs are off in this service: set GAIA_REDSHIFT_JOBS_FOLDER")
    return Caller(desk, request.scope["state"].get("key_name", ""), f"{request.base_url}jobs")


CurrentCaller = Annotated[Caller, Depends(find_caller)]


def wants_json(request: Request) -> bool:
    """Return whether the client prefers JSON to XML; the default is XML, as in UWS."""
    return negotiate(request, (XML, "application/xml", JSON)) == JSON


def answer_job(request: Request, wanted: JobReply, write: Callable[[JobReply], bytes] | None = None) -> Response:
    """Return a job in JSON, or in XML as `write` makes it."""
    if wants_json(request):
        return Response(wanted.model_dump_json(), media_type=JSON)
    from app.jobs import uws

    return Response((write or uws.write_job)(wanted), media_type=XML)


def see_job(location: str, request: Request, job: JobReply, status: int = 200) -> Response:
    """Redirect to a job with status 303, as UWS requires; clients that prefer JSON get the job itself."""
    headers = {"Location": location}
    if wants_json(request):
        return Response(job.model_dump_json(), status, headers, JSON)
    return Response(status_code=303, headers=headers)


async def read_form(request: Request, *known: str) -> dict[str, Any]:
    """Return the parameters of a small body and of the query, by lower-case name."""
    return by_name([*request.query_params.multi_items(), *await read_fields(request, _MOST_BYTES)], known)


@router.get(
    "/jobs",
    summary="Your jobs",
    response_model=JobList,
    responses={200: {"content": {"text/xml": {}}}},
    openapi_extra=docs.query(
        PHASE="Only jobs in this phase; repeatable", AFTER="Only jobs created after this time", LAST="At most this many"
    ),
)
async def list_jobs(request: Request, caller: CurrentCaller) -> Response:
    """List your jobs, optionally those in a PHASE, created AFTER a time, or the LAST ones."""
    phases, after, last = _filters(request)
    store = caller.desk.store
    jobs = await caller.desk.do(lambda: store.find(caller.owner, phases=phases, after=after, last=last))
    found = [caller.reply(job) for job in jobs]
    if wants_json(request):
        return Response(JobList(jobs=found).model_dump_json(), media_type=JSON)
    from app.jobs import uws

    return Response(uws.write_jobs(found), media_type=XML)


def _filters(request: Request) -> tuple[set[Phase], float | None, int | None]:
    phases, rest = set(), []
    for name, value in request.query_params.multi_items():
        if name.lower() == "phase":
            phases.add(_phase(value))
        else:
            rest.append((name, value))
    given = by_name(rest, ("phase", "after", "last"))  # "phase" is among them only to suggest it for a wrong name
    after = read_moment("AFTER", given["after"]) if "after" in given else None
    return phases, after, read_number("LAST", given["last"], 1) if "last" in given else None


def _phase(text: str) -> Phase:
    try:
        return Phase(text.upper())
    except ValueError:
        known = ", ".join(Phase)
        raise InvalidRequestError(
            f"unknown phase {text[:40]!r}: give one of {known}", [Detail("PHASE", f"one of {known}")]
        ) from None


@router.post(
    "/jobs",
    status_code=201,
    summary="A new job",
    response_class=Response,
    responses=docs.NEW_JOB,
    openapi_extra=docs.CREATE,
)
async def create_job(request: Request, caller: CurrentCaller) -> Response:
    """Create a job for a table: the part `file` of a form, or the body, or named by `url`, `path` or `source_ids`."""
    from app.api.job_intake import Intake

    wants_json(request)  # raises if no acceptable answer exists, before the table is read
    new = await Intake(request, caller.desk, caller.owner).read()
    job = await caller.desk.do(lambda: caller.desk.store.add(new))
    return see_job(f"jobs/{job.id}", request, caller.reply(job), 201)


@router.get(
    "/jobs/{id}",
    summary="A job, at once or after a change of phase",
    response_class=Response,
    responses=docs.JOB,
    openapi_extra=docs.query(
        WAIT="Seconds to wait, or -1 for the service's maximum", PHASE="Wait only while the job is in this phase"
    ),
)
async def get_job(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Describe a job; with WAIT, after its phase has changed or after that many seconds."""
    given = by_name(request.query_params.multi_items(), ("wait", "phase"))
    job = await caller.job(id)
    if "wait" in given:
        seconds = read_number("WAIT", given["wait"], -1)
        phase = _phase(given["phase"]) if "phase" in given else job.phase
        job = await _changed(request, caller, job, phase, seconds)
    return answer_job(request, caller.reply(job))


async def _changed(request: Request, caller: Caller, job: Job, phase: Phase, seconds: int) -> Job:
    """Return the job once it has left a phase, or after `seconds`; -1 waits for the service's maximum."""
    longest = _LONGEST_WAIT if seconds < 0 else min(seconds, _LONGEST_WAIT)
    end = time.monotonic() + longest
    pause = 0.05
    while job.phase is phase and job.phase in ACTIVE and request.app.state.ready:
        left = end - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(pause, left))
        pause = min(1.0, 1.5 * pause)
        job = await caller.job(job.id)
    return job


@router.delete(
    "/jobs/{id}",
    status_code=204,
    summary="Destroy a job",
    response_class=Response,
    responses={303: {"description": "Redirect to the list, for clients that accept XML"}},
)
async def destroy_job(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Delete a job and its files, even while it is running."""
    return await _destroy(request, caller, id, "../jobs")


async def _destroy(request: Request, caller: Caller, id: str, location: str) -> Response:  # noqa: A002
    await caller.desk.do(lambda: caller.desk.store.destroy(caller.owner, id))
    await caller.desk.do(lambda: caller.desk.files.remove(id))
    if wants_json(request):
        return Response(status_code=204)
    return Response(status_code=303, headers={"Location": location})


@router.post(
    "/jobs/{id}",
    status_code=204,
    summary="Destroy a job, by POST",
    response_class=Response,
    responses={303: {"description": "Redirect to the list, for clients that accept XML"}},
    openapi_extra=docs.form("ACTION", values=("DELETE",)),
)
async def act_on_job(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Delete a job by ACTION=DELETE, for clients that can only send GET and POST."""
    given = await read_form(request, "action")
    if given.get("action", "").upper() != "DELETE":
        raise InvalidRequestError("ACTION must be DELETE", [Detail("ACTION", "needs DELETE")])
    return await _destroy(request, caller, id, "../jobs")


@router.get(
    "/jobs/{id}/phase",
    summary="A job's phase",
    response_class=Response,
    responses=docs.TEXT,
    openapi_extra=docs.query(WAIT="Seconds to wait, or -1 for the service's maximum"),
)
async def get_phase(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Return the phase, as text."""
    given = by_name(request.query_params.multi_items(), ("wait", "phase"))
    job = await caller.job(id)
    if "wait" in given:
        job = await _changed(request, caller, job, job.phase, read_number("WAIT", given["wait"], -1))
    return Response(job.phase.value, media_type=PLAIN)


@router.post(
    "/jobs/{id}/phase",
    summary="Run or abort a job",
    response_class=Response,
    responses=docs.SEE_JOB,
    openapi_extra=docs.form("PHASE", values=("RUN", "ABORT")),
)
async def set_phase(request: Request, caller: CurrentCaller, id: str) -> Response:  # noqa: A002 - what it is
    """Start a job by PHASE=RUN, or abort it by PHASE=ABORT."""
    given = await read_form(request, "phase")
    wanted = str(given.get("phase", "")).upper()
    store = caller.desk.store
    ways = {"RUN": store.run, "ABORT": store.abort}
    if wanted not in ways:
        raise InvalidRequestError(
            f"PHASE is {wanted[:40]!r}: it must be RUN or ABORT", [Detail("PHASE", "RUN or ABORT")]
        )
    job = await caller.desk.do(lambda: ways[wanted](caller.owner, id))
    return see_job(f"../{id}", request, caller.reply(job))


@router.get(
    "/jobs/{id}/results/{name}",
    summary="The result of a job, a table",
    response_class=Response,
    responses=docs.TABLE,
)
async def get_result(caller: CurrentCaller, id: str, name: str) -> Response:  # noqa: A002 - what it is
    """Return the result, the table with redshifts."""
    job = await caller.job(id)
    if name != RESULT:
        raise HttpError(f"there is no result {name[:40]!r}: a job has one, called {RESULT!r}", 404)
    if job.result is None or job.result_type is None:
        problem = job.problem
        why = f": {problem['message']}" if problem else ""
        raise WrongPhaseError(f"job {id} is {job.phase} and has no result{why}")
    stored = job.result
    name = f"redshifts-{id}.{stored.partition('.')[2]}"
    path = caller.desk.files.local(id, stored)
    if path is not None:
        return File(path, media_type=job.result_type, filename=name)
    file = await caller.desk.do(lambda: caller.desk.files.open(id, stored))

    async def pieces() -> AsyncIterator[bytes]:
        with file:
            while piece := await caller.desk.do(lambda: file.read(_PIECE)):
                yield piece

    headers = {"Content-Length": str(job.result_bytes), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces(), media_type=job.result_type, headers=headers)
