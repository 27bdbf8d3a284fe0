"""The JSON of jobs, used by service and client. Imports `messages`."""

from typing import Any, Literal

from pydantic import Field

from gaia_redshift.client.messages import ErrorBody, Wire

Phase = Literal["PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"]


class JobProgress(Wire):
    """The progress of a job."""

    rows_done: int
    rows_failed: int = Field(description="Of these, how many have no redshift")
    rows_total: int | None = Field(description="Null where the table does not say it and has not been read to its end")
    fraction: float = Field(description="About how much of the table is done, 0 to 1")


class JobResult(Wire):
    """A result that can be fetched."""

    id: Literal["result"]
    href: str
    mime_type: str
    size: int = Field(description="In bytes")


class JobReply(Wire):
    """One job. Times are UTC, as in ISO 8601."""

    job_id: str
    href: str
    run_id: str | None = Field(description="The owner's name for it")
    owner: str | None = Field(description="Name of the API key; null where there are no keys")
    phase: Phase
    creation_time: str
    start_time: str | None
    end_time: str | None
    quote: str | None = Field(description="When it is expected to end, at the speed so far")
    execution_duration: int = Field(description="Seconds of work that the job may take")
    destruction: str = Field(description="When the job and its files are deleted")
    parameters: dict[str, Any]
    recognised: str | None = Field(description="What was recognised in its table")
    progress: JobProgress
    results: list[JobResult]
    error: ErrorBody | None


class JobList(Wire):
    """Jobs in order of creation."""

    jobs: list[JobReply]
