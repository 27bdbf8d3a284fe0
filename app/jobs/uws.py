"""Jobs as XML in the schema of UWS 1.1. Imports vo-models, and `replies`.

By default vo-models omits empty elements, some of which the schema requires.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson
from lxml import etree
from pydantic import create_model
from vo_models.uws import (
    ErrorSummary,
    Job,
    Jobs,
    Parameter,
    Parameters,
    ResultReference,
    Results,
    ShortJobDescription,
)
from vo_models.uws.models import NSMAP
from vo_models.uws.types import ErrorType, ExecutionPhase

from gaia_redshift.client.job_messages import JobProgress, JobReply


def _parameters(job: JobReply) -> Parameters:
    """Return the parameters of a job as UWS elements."""
    given = [(name, value) for name, value in job.parameters.items() if value is not None]
    fields: dict[str, Any] = {name: (Parameter, ...) for name, _ in given}
    kind: type[Parameters] = create_model("JobParameters", __base__=Parameters, **fields)
    return kind(**{name: Parameter(id=name, value=_text(value)) for name, value in given})


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return orjson.dumps(value).decode() if isinstance(value, dict) else str(value)


def _time(text: str | None) -> datetime | None:
    """Return a time for the models, which convert it to their own type and write it with a Z."""
    return None if text is None else datetime.fromisoformat(text)


def _results(job: JobReply) -> Results:
    found = [ResultReference(id=one.id, href=one.href, size=one.size, mime_type=one.mime_type) for one in job.results]
    return Results(results=found)


def write_job(job: JobReply) -> bytes:
    """Return the XML of a job."""
    problem = job.error
    summary = None
    if problem is not None:
        kind = ErrorType.TRANSIENT if problem.code in _TRANSIENT else ErrorType.FATAL
        summary = ErrorSummary(message=problem.message, type=kind, has_detail=True)
    parameters = _parameters(job)
    made = Job[type(parameters)](  # type: ignore[misc]
        job_id=job.job_id,
        run_id=job.run_id,
        owner_id=job.owner,
        phase=ExecutionPhase(job.phase),
        quote=_time(job.quote),
        creation_time=_time(job.creation_time),
        start_time=_time(job.start_time),
        end_time=_time(job.end_time),
        execution_duration=job.execution_duration,
        destruction=_time(job.destruction),
        parameters=parameters,
        results=_results(job),
        error_summary=summary,
    )
    return _bytes(made, job.progress)


_TRANSIENT = {"archive_failed", "fetch_failed", "job_failed"}


def write_jobs(jobs: Sequence[JobReply]) -> bytes:
    """Return the XML of a list of jobs."""
    found = [
        ShortJobDescription(
            job_id=job.job_id,
            phase=ExecutionPhase(job.phase),
            run_id=job.run_id,
            owner_id=job.owner,
            creation_time=_time(job.creation_time),
            href=job.href,
        )
        for job in jobs
    ]
    return _bytes(Jobs(jobref=found))


def write_results(job: JobReply) -> bytes:
    """Return the XML of a job's results."""
    return _bytes(_results(job))


def write_parameters(job: JobReply) -> bytes:
    """Return the XML of a job's parameters."""
    return _bytes(_parameters(job))


def _bytes(element: Any, progress: JobProgress | None = None) -> bytes:
    tree: Any = element.to_xml_tree(skip_empty=False)
    if progress is not None:  # jobInfo needs XML elements, which the model cannot hold
        info = etree.SubElement(tree, f"{{{NSMAP['uws']}}}jobInfo")
        for name, value in progress.model_dump().items():
            if value is not None:
                etree.SubElement(info, name).text = str(value)
    content: bytes = etree.tostring(tree, encoding="utf-8", xml_declaration=True)
    return content
