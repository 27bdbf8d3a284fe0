"""What goes over the wire. Imports `redshift` and `spectra` of the project.

`PredictRequest` is the schema that the documentation shows, and the judge of a body that `reading` does not accept.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from app.prior import PriorName, PriorTable
from app.redshift import Asked, Predictions, QualityFlag, Redshifts
from app.spectra import BAND_SAMPLES, BP_COUNT, FLUX_COUNT, RP_COUNT

FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
SourceId = Annotated[int, Field(ge=-(2**63), lt=2**64)] | Annotated[str, Field(max_length=256)]
ModelName = Annotated[str, Field(max_length=128)]

_BP_LENGTHS = (BP_COUNT, BAND_SAMPLES)
_RP_LENGTHS = (RP_COUNT, BAND_SAMPLES)


MOST_SPECTRA = 100_000
"""No setting allows more in one JSON request: the errors of a hostile one must fit in memory."""


class Wire(BaseModel):
    """Base of all that is sent or received."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Spectrum(Wire):
    """One spectrum: either `flux`, or `bp` and `rp`."""

    source_id: SourceId | None = Field(None, description="Gaia source_id or any name; returned as a string")
    flux: list[FiniteNumber] | None = Field(
        None,
        min_length=FLUX_COUNT,
        max_length=FLUX_COUNT,
        fail_fast=True,
        description=f"{BP_COUNT} BP and then {RP_COUNT} RP fluxes in e-/s per sample, blue to red",
    )
    bp: list[FiniteNumber] | None = Field(
        None,
        min_length=BP_COUNT,
        max_length=BAND_SAMPLES,
        fail_fast=True,
        description=f"BP fluxes, blue to red: {BP_COUNT}, or all {BAND_SAMPLES}, which the service truncates",
    )
    rp: list[FiniteNumber] | None = Field(
        None,
        min_length=RP_COUNT,
        max_length=BAND_SAMPLES,
        fail_fast=True,
        description=f"RP fluxes, blue to red: {RP_COUNT}, or all {BAND_SAMPLES}, which the service truncates",
    )

    @model_validator(mode="after")
    def _one_form(self) -> "Spectrum":
        if (self.flux is None) == (self.bp is None and self.rp is None):
            raise ValueError("give either flux, or bp and rp")
        if self.flux is None:
            if self.bp is None or self.rp is None:
                raise ValueError("bp and rp belong together: one of them is missing")
            if len(self.bp) not in _BP_LENGTHS:
                raise ValueError(f"bp needs {BP_COUNT} or {BAND_SAMPLES} samples, not {len(self.bp)}")
            if len(self.rp) not in _RP_LENGTHS:
                raise ValueError(f"rp needs {RP_COUNT} or {BAND_SAMPLES} samples, not {len(self.rp)}")
        return self


def _kind_of_prior(value: Any) -> str:
    """Choose which alternative judges a prior, so that a wrong one is explained once."""
    return "prior-table" if isinstance(value, dict | PriorTable) else "prior-name"


class PredictOptions(Wire):
    """What a request asks besides its spectra."""

    model: ModelName | None = Field(
        None, description="`name` or `name@version` from /models; the default model if absent"
    )
    prior: Annotated[
        Annotated[PriorName, Tag("prior-name")] | Annotated[PriorTable, Tag("prior-table")],
        Discriminator(_kind_of_prior),
    ] = Field(
        "survey",
        description="Prior on redshift: the training survey's, flat, or a table (density models only, but for survey)",
    )
    pdf: bool = Field(
        False, description="Also return the probability density per bin of redshift (density models only)"
    )

    def asked(self) -> Asked:
        """Return what concerns the prediction itself."""
        return Asked(self.prior, self.pdf)


class PredictRequest(PredictOptions):
    """A batch of spectra."""

    spectra: list[Spectrum] = Field(
        min_length=1, max_length=MOST_SPECTRA, description="Spectra; predictions come in the same order"
    )


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
    prior: Literal["survey", "flat", "table"] = Field(description="The prior used; table is the request's own")
    bin_edges: list[float] | None = Field(None, description="Edges of the bins of each pdf, one more than bins")
    predictions: list[Prediction]


def reply_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the predictions as rows in the shape of `Prediction`, ready for JSON but for the arrays `pdf`."""
    columns = [getattr(predictions.redshifts, name).tolist() for name in Redshifts.INTERVALS]
    pdf = predictions.redshifts.pdf
    rows: list[dict[str, Any]] = []
    for row, values in enumerate(zip(*columns, strict=True)):
        answer: dict[str, Any] = {}
        if predictions.source_id is not None:
            answer["source_id"] = predictions.source_id[row]
        problem = predictions.problems.get(row)
        if problem is None:
            answer["status"] = "ok"
            answer.update(zip(Redshifts.INTERVALS, values, strict=True))
            answer["quality"] = predictions.redshifts.quality[row]
            if pdf is not None:
                answer["pdf"] = pdf[row]
        else:
            answer["status"] = "error"
            answer["error"] = {"code": problem.code, "message": problem.message}
        rows.append(answer)
    return rows
