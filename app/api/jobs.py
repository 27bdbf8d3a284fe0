"""``/jobs``: long work as jobs, by IVOA's UWS 1.1, in XML and in JSON; off unless the service has a folder for them."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import FileResponse, StreamingResponse

from app.errors import ForbiddenError, HttpError, WrongPhaseError
from app.jobs.job import ACTIVE, Job, Phase
from app.jobs.replies import RESULT, iso, reply
from app.wire.job_options import by_name
from app.wire.uploads import negotiate, whole_body
from gaia_redshift.client.job_messages import JobList, JobReply
from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.media import JSON

if TYPE_CHECKING:  # SQLAlchemy is loaded where there are jobs
    from app.jobs.desk import Desk

router = APIRouter(tags=["jobs"])

XML, PLAIN = "text/xml", "text/plain"
_LONGEST_WAIT = 50.0
"""Seconds; proxies end a silent connection after a minute. Who wants to wait longer asks again."""
_PIECE = 256 << 10


class Asking(NamedTuple):
    """Who asks, and what answers."""

    desk: "Desk"
    owner: str
    base: str

    async def job(self, id: str) -> Job:  # noqa: A002 - what it is
        """Return the owner's job; raises UnknownJobError."""
        return await self.desk.do(lambda: self.desk.store.get(self.owner, id))

    def reply(self, job: Job) -> JobReply:
        """Return a job as its owner sees it."""
        return reply(job, self.base)


def asking(request: Request) -> Asking:
    """Say who asks; raises ForbiddenError where the service keeps no jobs."""
    desk: Desk | None = request.app.state.jobs
    if desk is None:
        raise ForbiddenError("this service keeps no jobs: set GAIA_REDSHIFT_JOBS_FOLDER")
    return Asking(desk, request.scope["state"].get("key_name", ""), f"{request.base_url}jobs")


Asks = Annotated[Asking, Depends(asking)]


def wants_json(request: Request) -> bool:
    """Return whether the client wants JSON rather than XML; who says nothing gets the XML of UWS."""
    return negotiate(request, (XML, "application/xml", JSON)) == JSON


def _answer(request: Request, wanted: JobReply, write: Callable[[JobReply], bytes] | None = None) -> Response:
    if wants_json(request):
        return Response(wanted.model_dump_json(), media_type=JSON)
    from app.jobs import uws

    return Response((write or uws.write_job)(wanted), media_type=XML)


def _see(location: str, request: Request, job: JobReply, status: int = 200) -> Response:
    """Lead to a job by 303, as UWS has it; who wants JSON gets the job at once."""
    headers = {"Location": location}
    if wants_json(request):
        return Response(job.model_dump_json(), status, headers, JSON)
    return Response(status_code=303, headers=headers)


async def _form(request: Request, *known: str) -> dict[str, Any]:
    """Return what a small form or its query says."""
    body = await whole_body(request)
    from urllib.parse import parse_qsl

    pairs = [*request.query_params.multi_items(), *parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)]
    return by_name(pairs, known)


@router.get("/jobs", responses={401: {"model": ErrorReply}, 403: {"model": ErrorReply}})
async def list_jobs(request: Request, asks: Asks) -> Response:
    """List your jobs: in a PHASE, created AFTER a time, or the LAST ones."""
    phases, after, last = _filters(request)
    store = asks.desk.store
    jobs = await asks.desk.do(lambda: store.find(asks.owner, phases=phases, after=after, last=last))
    found = [asks.reply(job) for job in jobs]
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
    given = by_name(rest, ("after", "last"))
    after = _moment("AFTER", given["after"]) if "after" in given else None
    return phases, after, _number("LAST", given["last"], 1) if "last" in given else None


def _phase(text: str) -> Phase:
    try:
        return Phase(text.upper())
    except ValueError:
        known = ", ".join(Phase)
        raise InvalidRequestError(
            f"there is no phase {text[:40]!r} here: {known}", [Detail("PHASE", f"one of {known}")]
        ) from None


def _number(name: str, text: str, least: int) -> int:
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= 2**31 - 1:
        raise InvalidRequestError(
            f"{name} is {text[:40]!r}: give a number from {least}", [Detail(name, "no such number")]
        )
    return number


def _moment(name: str, text: str) -> float:
    from pydantic import TypeAdapter, ValidationError

    from app.wire.job_options import Moment

    try:
        return TypeAdapter(Moment).validate_python(text).timestamp()
    except (ValidationError, OverflowError):
        raise InvalidRequestError(
            f"{name} is {text[:40]!r}: give a time as 2026-12-02T11:00:00Z", [Detail(name, "no time of ISO 8601")]
        ) from None


@router.post("/jobs", status_code=201)
async def create_job(request: Request, asks: Asks) -> Response:
    """Make a job of a table: sent as a form's part `file` or as the body, or named by `url`, `path` or `source_ids`."""
    from app.api.job_intake import Intake

    wants_json(request)  # an answer that nobody takes is refused before the table is read
    new = await Intake(request, asks.desk, asks.owner).read()
    job = await asks.desk.do(lambda: asks.desk.store.add(new))
    return _see(f"jobs/{job.id}", request, asks.reply(job), 201)


@router.get("/jobs/{id}")
async def get_job(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Describe a job; with WAIT only when its phase has changed, or after so many seconds."""
    given = by_name(request.query_params.multi_items(), ("wait", "phase"))
    job = await asks.job(id)
    if "wait" in given:
        seconds = _number("WAIT", given["wait"], -1)
        phase = _phase(given["phase"]) if "phase" in given else job.phase
        job = await _changed(request, asks, job, phase, seconds)
    return _answer(request, asks.reply(job))


async def _changed(request: Request, asks: Asking, job: Job, phase: Phase, seconds: int) -> Job:
    """Return the job when it has left a phase, or after so many seconds; -1 for as long as the service will."""
    longest = _LONGEST_WAIT if seconds < 0 else min(seconds, _LONGEST_WAIT)
    end = time.monotonic() + longest
    pause = 0.05
    while job.phase is phase and job.phase in ACTIVE and request.app.state.ready:
        left = end - time.monotonic()
        if left <= 0:
            break
        await asyncio.sleep(min(pause, left))
        pause = min(1.0, 1.5 * pause)
        job = await asks.job(job.id)
    return job


@router.delete("/jobs/{id}")
async def destroy_job(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Destroy a job and its files, whatever it does at the moment."""
    return await _destroy(request, asks, id, "../jobs")


async def _destroy(request: Request, asks: Asking, id: str, location: str) -> Response:  # noqa: A002
    await asks.desk.do(lambda: asks.desk.store.destroy(asks.owner, id))
    await asks.desk.do(lambda: asks.desk.files.remove(id))
    if wants_json(request):
        return Response(status_code=204)
    return Response(status_code=303, headers={"Location": location})


@router.post("/jobs/{id}")
async def act_on_job(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Destroy a job by ACTION=DELETE, for clients that know GET and POST alone."""
    given = await _form(request, "action")
    if given.get("action", "").upper() != "DELETE":
        raise InvalidRequestError("ACTION is not DELETE, the one that there is", [Detail("ACTION", "needs DELETE")])
    return await _destroy(request, asks, id, "../jobs")


@router.get("/jobs/{id}/phase")
async def get_phase(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return the phase, as text."""
    given = by_name(request.query_params.multi_items(), ("wait", "phase"))
    job = await asks.job(id)
    if "wait" in given:
        job = await _changed(request, asks, job, job.phase, _number("WAIT", given["wait"], -1))
    return Response(job.phase.value, media_type=PLAIN)


@router.post("/jobs/{id}/phase")
async def set_phase(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Run a job by PHASE=RUN, or abort it by PHASE=ABORT."""
    given = await _form(request, "phase")
    wanted = str(given.get("phase", "")).upper()
    store = asks.desk.store
    ways = {"RUN": store.run, "ABORT": store.abort}
    if wanted not in ways:
        raise InvalidRequestError(
            f"PHASE is {wanted[:40]!r}: a job can be told to RUN or to ABORT", [Detail("PHASE", "RUN or ABORT")]
        )
    job = await asks.desk.do(lambda: ways[wanted](asks.owner, id))
    return _see(f"../{id}", request, asks.reply(job))


@router.get("/jobs/{id}/quote")
async def get_quote(asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return when the job will end at the speed so far; nothing where nobody knows."""
    return Response(asks.reply(await asks.job(id)).quote or "", media_type=PLAIN)


@router.get("/jobs/{id}/executionduration")
async def get_duration(asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return the seconds of work that the job may take."""
    return Response(str((await asks.job(id)).duration), media_type=PLAIN)


@router.post("/jobs/{id}/executionduration")
async def set_duration(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Let the job take more or less time, up to what the service allows; 0 is that."""
    given = await _form(request, "executionduration")
    seconds = _number("EXECUTIONDURATION", str(given.get("executionduration", "")), 0)
    job = await asks.desk.do(lambda: asks.desk.store.set_duration(asks.owner, id, seconds))
    return _see(f"../{id}", request, asks.reply(job))


@router.get("/jobs/{id}/destruction")
async def get_destruction(asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return when the job and its files will be removed."""
    return Response(iso((await asks.job(id)).destruction) or "", media_type=PLAIN)


@router.post("/jobs/{id}/destruction")
async def set_destruction(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Let the job be removed at another time, up to what the service allows."""
    given = await _form(request, "destruction")
    at = _moment("DESTRUCTION", str(given.get("destruction", "")))
    job = await asks.desk.do(lambda: asks.desk.store.set_destruction(asks.owner, id, at))
    return _see(f"../{id}", request, asks.reply(job))


@router.get("/jobs/{id}/owner")
async def get_owner(asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return the name of the key that made the job; nothing where there are no keys."""
    return Response((await asks.job(id)).owner, media_type=PLAIN)


@router.get("/jobs/{id}/parameters")
async def get_parameters(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return what the job was asked."""
    found = asks.reply(await asks.job(id))
    if wants_json(request):
        return Response(orjson.dumps(found.parameters), media_type=JSON)
    from app.jobs import uws

    return Response(uws.write_parameters(found), media_type=XML)


@router.get("/jobs/{id}/error")
async def get_error(asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return why the job failed, in the one shape of errors; 404 where it did not."""
    job = await asks.job(id)
    if job.error is None:
        raise WrongPhaseError(f"job {id} is {job.phase}: it has no error")
    return Response(job.error, media_type=JSON)


@router.get("/jobs/{id}/results")
async def get_results(request: Request, asks: Asks, id: str) -> Response:  # noqa: A002 - what it is
    """Return where the job's results are."""
    found = asks.reply(await asks.job(id))
    if wants_json(request):
        return Response(orjson.dumps([one.model_dump() for one in found.results]), media_type=JSON)
    from app.jobs import uws

    return Response(uws.write_results(found), media_type=XML)


@router.get("/jobs/{id}/results/{name}")
async def get_result(asks: Asks, id: str, name: str) -> Response:  # noqa: A002 - what it is
    """Return the result: the table with redshifts in it."""
    job = await asks.job(id)
    if name != RESULT:
        raise HttpError(f"a job has one result, called {RESULT!r}, and none called {name[:40]!r}", 404)
    if job.result is None or job.result_type is None:
        problem = job.problem
        why = f": {problem['message']}" if problem else ""
        raise WrongPhaseError(f"job {id} is {job.phase} and has no result{why}")
    stored = job.result
    name = f"redshifts-{id}.{stored.partition('.')[2]}"
    path = asks.desk.files.local(id, stored)
    if path is not None:
        return FileResponse(path, media_type=job.result_type, filename=name)
    file = await asks.desk.do(lambda: asks.desk.files.open(id, stored))

    async def pieces() -> AsyncIterator[bytes]:
        with file:
            while piece := await asks.desk.do(lambda: file.read(_PIECE)):
                yield piece

    headers = {"Content-Length": str(job.result_bytes), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces(), media_type=job.result_type, headers=headers)
