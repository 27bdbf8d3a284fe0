"""The data of a job: phase, parameters, progress. Imports the library's `interpretation`."""

from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from app.wire.job_options import FormatName
from gaia_redshift.interpretation.prior import Prior
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.spectra import UNITS, Unit, find_unit

Source = Literal["upload", "url", "file", "sources"]
"""Source of a job's table: sent, fetched from a URL, a file on the service's machine, or Gaia's archive."""


class Phase(StrEnum):
    """The UWS phases that are used."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""Phases that are not final."""


class Parameters(BaseModel):
    """Parameters of a job, as the options of ``POST /predict/table``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(max_length=160, description="`name@version`")
    prior: Prior = "survey"
    pdf: bool = False
    snr: bool = False
    unit: Annotated[Unit, BeforeValidator(find_unit)] = UNITS[0]
    format: FormatName | None = Field(None, description="Format of the result; that of the table if absent")
    rows: Literal["lenient", "strict"] = Field("lenient", description="Whether a row without a redshift is an error")

    @property
    def asked(self) -> AnswerOptions:
        """The prior, and whether densities are wanted."""
        return AnswerOptions(self.prior, self.pdf)


@dataclass(frozen=True, slots=True)
class Job:
    """One job in the database. Times are seconds since 1970; `number` is the order of creation."""

    number: int
    id: str
    owner: str
    run_id: str | None
    phase: Phase
    changed: int
    created: float
    started: float | None
    ended: float | None
    destruction: float
    duration: int
    """Limit of the work in seconds; 0 for none."""
    spent: float
    """Seconds of work done."""
    parameters: str
    source: Source
    address: str | None
    """The table's URL or path, if it was not sent."""
    input_name: str
    media_type: str
    input_bytes: int
    obtained: bool
    """Whether the table is among the job's files."""
    model_sha256: str | None
    recognised: str | None
    rows_total: int | None
    rows_done: int
    rows_failed: int
    fraction: float
    part_bytes: int
    result: str | None
    """Name of the result's file."""
    result_type: str | None
    result_bytes: int
    error: str | None
    worker: str | None
    token: int
    beat: int
    attempts: int
    webhook: str | None
    webhook_due: bool
    webhook_tries: int

    @property
    def asked_for(self) -> Parameters:
        """The parameters."""
        return Parameters.model_validate_json(self.parameters)

    @property
    def problem(self) -> dict[str, Any] | None:
        """The error: code, message, details."""
        if self.error is None:
            return None
        found: dict[str, Any] = orjson.loads(self.error)["error"]
        return found

    @property
    def over(self) -> bool:
        """Whether the phase is final."""
        return self.phase not in ACTIVE


COLUMNS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive rows of a job that have been predicted and written."""

    number: int
    first_row: int
    rows: int
    failed: int
    token: int
    """Token of the lease under which the part was written; part of the file names."""
    bytes: int

    @property
    def table(self) -> str:
        """Name of the Arrow file with the rows."""
        return f"parts/{self.number:06d}-{self.token}.arrow"

    @property
    def flux(self) -> str:
        """Name of the npy file with the spectra, shape (rows, samples)."""
        return f"parts/{self.number:06d}-{self.token}.npy"
