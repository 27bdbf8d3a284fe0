"""The description of a job in replies. Imports `job`, and the library's messages."""

import time
from datetime import UTC, datetime
from typing import Literal

from app.jobs.job import Job, Phase
from gaia_redshift.client.job_messages import JobProgress, JobReply, JobResult
from gaia_redshift.client.messages import ErrorBody

RESULT: Literal["result"] = "result"
"""Name of the one result."""


def iso(seconds: float | None) -> str | None:
    """Return a time in UTC in the format of UWS."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def reply(job: Job, base: str) -> JobReply:
    """Return the description of a job for its owner.

    Parameters
    ----------
    job : Job
    base : str
        URL of the list of jobs.
    """
    href = f"{base}/{job.id}"
    asked = job.asked_for
    results = []
    if job.phase is Phase.COMPLETED and job.result_type is not None:
        results = [
            JobResult(id=RESULT, href=f"{href}/results/{RESULT}", mime_type=job.result_type, size=job.result_bytes)
        ]
    problem = job.problem
    return JobReply(
        job_id=job.id,
        href=href,
        run_id=job.run_id,
        owner=job.owner or None,
        phase=job.phase.value,
        creation_time=iso(job.created) or "",
        start_time=iso(job.started),
        end_time=iso(job.ended),
        quote=iso(quote(job)),
        execution_duration=job.duration,
        destruction=iso(job.destruction) or "",
        parameters={**asked.model_dump(mode="json"), "source": job.source, "address": job.address},
        recognised=job.recognised,
        progress=JobProgress(
            rows_done=job.rows_done,
            rows_failed=job.rows_failed,
            rows_total=job.rows_total,
            fraction=round(job.fraction, 6),
        ),
        results=results,
        error=None if problem is None else ErrorBody.model_validate(problem),
    )


def quote(job: Job) -> float | None:
    """Return when a job will end at the speed so far; None if it has no speed yet."""
    if job.phase is Phase.COMPLETED:
        return job.ended
    if job.phase is not Phase.EXECUTING or not job.fraction:
        return None
    return time.time() + job.spent * (1 - job.fraction) / job.fraction
