"""What goes over the wire, as both ends read it. Imports `interpretation` and `spectra`.

The service documents and answers with these; the client reads replies with them.
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
    """Choose which alternative judges a prior, so that a wrong one is explained once."""
    return "prior-table" if isinstance(value, dict | PriorTable) else "prior-name"


def _unit(value: object) -> Any:
    """Understand the spellings of a unit; raises ValueError with the way out for those that are not read."""
    return find_unit(value) if isinstance(value, str) else value


class PredictOptions(Wire):
    """What a request asks besides its spectra."""

    model: ModelName | None = Field(
        None, description="`name` or `name@version` from /models; the default model if absent"
    )
    prior: Annotated[
        Annotated[PriorChoice, Tag("prior-name")] | Annotated[PriorTable, Tag("prior-table")],
        Discriminator(_kind_of_prior),
    ] = Field(
        "survey",
        description="Prior on redshift: the training survey's, flat, a table, or sample: the request's own, "
        "inferred of at least 200 galaxies (density models only, but for survey)",
    )
    pdf: bool = Field(
        False, description="Also return the probability density per bin of redshift (density models only)"
    )

    unit: Annotated[Unit, BeforeValidator(_unit)] | None = Field(
        None, description=f"Of the fluxes: {FLUX_UNIT}. per_sample if absent, unless a table's columns say per pixel"
    )
    rows: Literal["strict", "lenient"] | None = Field(
        None,
        description="What a wrong flux, or a list of a wrong length, costs: the whole request (strict, the default of "
        "JSON), or its own row (lenient, that of binary bodies)",
    )

    def asked(self) -> AnswerOptions:
        """Return what concerns the prediction itself."""
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
    """One spectrum's answer. `status` says whether there is a redshift or an error."""

    source_id: str | None = None
    status: Literal["ok", "error"]
    redshift: float | None = Field(None, description="Point estimate; of a density, its median")
    redshift_lower: float | None = Field(None, description="Lower end of the 68% interval")
    redshift_upper: float | None = Field(None, description="Upper end of the 68% interval")
    redshift_lower95: float | None = Field(None, description="Lower end of the 95% interval")
    redshift_upper95: float | None = Field(None, description="Upper end of the 95% interval")
    quality: list[QualityFlag] | None = Field(None, description="Warnings; an empty list means none")
    pdf: list[float] | None = Field(
        None, description="Where asked for: probability density in each bin, under the prior; its integral is one"
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
        description="The prior used; table is the request's own, sample was inferred of its spectra"
    )
    bin_edges: list[float] | None = Field(None, description="Edges of the bins of each pdf, one more than bins")
    predictions: list[Prediction]
