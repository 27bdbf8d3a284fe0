"""Jobs as they go over the wire in JSON, as both ends read them. Imports `messages`."""

from typing import Any, Literal

from pydantic import Field

from gaia_redshift.client.messages import ErrorBody, Wire

Phase = Literal["PENDING", "QUEUED", "EXECUTING", "COMPLETED", "ERROR", "ABORTED"]


class JobProgress(Wire):
    """How far a job has come."""

    rows_done: int
    rows_failed: int = Field(description="Of these, how many have no redshift")
    rows_total: int | None = Field(description="Null where the table does not say it and was not read to its end yet")
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
    run_id: str | None = Field(description="What its owner calls it")
    owner: str | None = Field(description="Name of the API key; null where there are no keys")
    phase: Phase
    creation_time: str
    start_time: str | None
    end_time: str | None
    quote: str | None = Field(description="When it will end at the speed so far")
    execution_duration: int = Field(description="Seconds of work that it may take")
    destruction: str = Field(description="When it and its files are removed")
    parameters: dict[str, Any]
    recognised: str | None = Field(description="What its table was taken for")
    progress: JobProgress
    results: list[JobResult]
    error: ErrorBody | None


class JobList(Wire):
    """Jobs in the order of their creation."""

    jobs: list[JobReply]
