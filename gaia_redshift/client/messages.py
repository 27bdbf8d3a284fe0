"""The messages between client and service. Imports `interpretation` and `spectra`.

The service documents and writes these models; the client reads replies with them.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from gaia_redshift.interpretation.prior import PriorChoice, PriorTable
from gaia_redshift.interpretation.quality import QualityFlag
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.spectra import FLUX_UNIT, Unit, find_unit

ModelName = Annotated[str, Field(max_length=128)]


class Wire(BaseModel):
    """Base of all that is sent or received.

    A service refuses fields that it does not know; a client leaves them out, since a later service may send more.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _kind_of_prior(value: object) -> str:
    """Choose the alternative that validates a prior, so that a wrong one gives one error."""
    return "prior-table" if isinstance(value, dict | PriorTable) else "prior-name"


def _unit(value: object) -> Any:
    """Read the spellings of a unit; raises ValueError, which says what to do, for a unit that is not read."""
    return find_unit(value) if isinstance(value, str) else value


class PredictOptions(Wire):
    """The options of a request."""

    model: ModelName | None = Field(
        None, description="`name` or `name@version` from /models; the default model if absent"
    )
    prior: Annotated[
        Annotated[PriorChoice, Tag("prior-name")] | Annotated[PriorTable, Tag("prior-table")],
        Discriminator(_kind_of_prior),
    ] = Field(
        "survey",
        description="Prior on redshift: survey (of the training), flat, a table, or sample, inferred from this "
        "request's spectra, at least 200 galaxies. Point models take only survey",
    )
    pdf: bool = Field(
        False, description="Also return the probability density per bin of redshift (density models only)"
    )

    unit: Annotated[Unit, BeforeValidator(_unit)] | None = Field(
        None, description=f"Unit of fluxes: {FLUX_UNIT}. per_sample if absent, unless a table's columns say per pixel"
    )
    rows: Literal["strict", "lenient"] | None = Field(
        None,
        description="Whether a wrong flux, or a list of a wrong length, refuses the whole request (strict, the default "
        "for JSON) or gives an error in its own row (lenient, the default for binary bodies)",
    )

    def asked(self) -> AnswerOptions:
        """Return the options of the prediction itself."""
        return AnswerOptions(self.prior, self.pdf)


class ErrorDetail(Wire):
    """One place where the input is wrong."""

    at: str
    message: str


class ErrorBody(Wire):
    """Code, message and places."""

    code: str
    message: str
    details: list[ErrorDetail] = []


class ErrorReply(Wire):
    """The one error shape."""

    error: ErrorBody


class RowError(Wire):
    """Why this spectrum could not be predicted."""

    code: str
    message: str


class Prediction(Wire):
    """The answer for one spectrum. `status` says whether there is a redshift or an error."""

    source_id: str | None = None
    status: Literal["ok", "error"]
    redshift: float | None = Field(None, description="Point estimate; of a density, its median")
    redshift_lower: float | None = Field(None, description="Lower end of the 68% interval")
    redshift_upper: float | None = Field(None, description="Upper end of the 68% interval")
    redshift_lower95: float | None = Field(None, description="Lower end of the 95% interval")
    redshift_upper95: float | None = Field(None, description="Upper end of the 95% interval")
    quality: list[QualityFlag] | None = Field(None, description="Warnings; an empty list means none")
    pdf: list[float] | None = Field(
        None, description="If requested: probability density in each bin, under the prior; its integral is one"
    )
    error: RowError | None = None


class ModelVersion(Wire):
    """Which model answered."""

    name: str
    version: str


class PredictReply(Wire):
    """Predictions in input order."""

    model: ModelVersion
    prior: Literal["survey", "flat", "table", "sample"] = Field(
        description="The prior used; table was sent with the request, sample was inferred from its spectra"
    )
    corrected_to_ebv: float | None = Field(
        None, description="E(B-V) of the model's training, which is left in spectra that were corrected for `ebv`"
    )
    bin_edges: list[float] | None = Field(None, description="Edges of the bins of each pdf, one more than bins")
    predictions: list[Prediction]
