"""What a job is: its phase, what it was asked, how far it has come. Imports the library's `interpretation`."""

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
"""Where a job's table comes from: sent, fetched from an address, a file of the service's machine, or Gaia's archive."""


class Phase(StrEnum):
    """Of UWS those that occur here."""

    PENDING = "PENDING"
    QUEUED = "QUEUED"
    EXECUTING = "EXECUTING"
    COMPLETED = "COMPLETED"
    ERROR = "ERROR"
    ABORTED = "ABORTED"


ACTIVE = frozenset({Phase.PENDING, Phase.QUEUED, Phase.EXECUTING})
"""From these a job can still come to another phase."""


class Parameters(BaseModel):
    """What a job was asked besides its table; as the options of ``POST /predict/table``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str = Field(max_length=160, description="`name@version`")
    prior: Prior = "survey"
    pdf: bool = False
    snr: bool = False
    unit: Annotated[Unit, BeforeValidator(find_unit)] = UNITS[0]
    format: FormatName | None = Field(None, description="Of the result; that of the table if absent")
    rows: Literal["lenient", "strict"] = Field("lenient", description="Whether a row without a redshift is an error")

    @property
    def asked(self) -> AnswerOptions:
        """The prior, and whether densities are wanted."""
        return AnswerOptions(self.prior, self.pdf)


@dataclass(frozen=True, slots=True)
class Job:
    """One job as the database has it; times are seconds since 1970, and `number` is the order of creation."""

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
    """Seconds of work that it may take; 0 for no limit."""
    spent: float
    """Seconds of work that it took."""
    parameters: str
    source: Source
    address: str | None
    """The table's URL or path, where it was not sent."""
    input_name: str
    media_type: str
    input_bytes: int
    obtained: bool
    """Whether the table lies among the job's files."""
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
        """The error in the one shape without its outer braces: code, message, details."""
        if self.error is None:
            return None
        found: dict[str, Any] = orjson.loads(self.error)["error"]
        return found

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.phase not in ACTIVE


COLUMNS = tuple(field.name for field in fields(Job))


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive rows of a job that are predicted and written."""

    number: int
    first_row: int
    rows: int
    failed: int
    token: int
    """Of the lease under which it was written; part of its files' names."""
    bytes: int

    @property
    def table(self) -> str:
        """Name of the file with its rows, Arrow."""
        return f"parts/{self.number:06d}-{self.token}.arrow"

    @property
    def flux(self) -> str:
        """Name of the file with its spectra, npy, shape (rows, samples)."""
        return f"parts/{self.number:06d}-{self.token}.npy"
