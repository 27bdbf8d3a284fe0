"""Schemas of requests and replies. Imports `interpretation` and `spectra` of the library.

`PredictRequest` is the documented schema; it validates the bodies that the fast path of `json` does not accept.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gaia_redshift.client.messages import ModelVersion, PredictOptions, Wire
from gaia_redshift.spectra import DR3, EBV, FLOAT_IDS, FLUX_UNIT, LARGEST_EBV, is_float_text


def _no_float(name: int | str | None) -> int | str | None:
    if isinstance(name, str) and is_float_text(name):
        raise ValueError(FLOAT_IDS)
    return name


FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
SourceId = Annotated[int, Field(ge=-(2**63), lt=2**64)] | Annotated[str, Field(max_length=256)]

_BP_LENGTHS = DR3.bp.lengths
_RP_LENGTHS = DR3.rp.lengths


MOST_SPECTRA = 100_000
"""Upper limit of the setting for spectra in one JSON request, so that the errors of a hostile one fit in memory."""


class Spectrum(Wire):
    """One spectrum: either `flux`, or `bp` and `rp`."""

    source_id: Annotated[SourceId | None, AfterValidator(_no_float)] = Field(
        None, description="Gaia source_id or any name; returned as a string"
    )
    flux: list[FiniteNumber] | None = Field(
        None,
        min_length=DR3.samples,
        max_length=DR3.samples,
        fail_fast=True,
        description=f"{DR3.bp.count} BP and then {DR3.rp.count} RP fluxes, blue to red both; {FLUX_UNIT} (see `unit`)",
    )
    bp: list[FiniteNumber] | None = Field(
        None,
        min_length=DR3.bp.count,
        max_length=DR3.bp.samples,
        fail_fast=True,
        description=f"BP fluxes, blue to red: {DR3.bp.count}, or all {DR3.bp.samples}, which the service truncates",
    )
    rp: list[FiniteNumber] | None = Field(
        None,
        min_length=DR3.rp.count,
        max_length=DR3.rp.samples,
        fail_fast=True,
        description=f"RP fluxes, blue to red: {DR3.rp.count}, or all {DR3.rp.samples}, which the service truncates",
    )

    ebv: Annotated[float, Field(ge=0, le=LARGEST_EBV, allow_inf_nan=False)] | None = Field(None, description=EBV)

    @model_validator(mode="after")
    def _one_form(self) -> "Spectrum":
        if (self.flux is None) == (self.bp is None and self.rp is None):
            raise ValueError("give either flux, or bp and rp")
        if self.flux is None:
            if self.bp is None or self.rp is None:
                raise ValueError("bp and rp belong together: one of them is missing")
            if len(self.bp) not in _BP_LENGTHS:
                raise ValueError(f"bp needs {DR3.bp.count} or {DR3.bp.samples} samples, not {len(self.bp)}")
            if len(self.rp) not in _RP_LENGTHS:
                raise ValueError(f"rp needs {DR3.rp.count} or {DR3.rp.samples} samples, not {len(self.rp)}")
        return self


class PredictRequest(PredictOptions):
    """A batch of spectra."""

    spectra: list[Spectrum] = Field(
        min_length=1, max_length=MOST_SPECTRA, description="Spectra; predictions come in the same order"
    )


class Interval(Wire):
    """Galaxies of a sample in an interval of redshift."""

    z_low: float
    z_high: float
    n: float | None = Field(description="Galaxies; null where the sample does not constrain it")
    error: float = Field(description="Standard error of n, by bootstrap")


class DistributionReply(Wire):
    """The redshift distribution of a sample."""

    model: ModelVersion
    prior: Literal["survey", "flat", "table"] = Field(description="Under which the densities hold; taken out of them")
    galaxies: int = Field(description="Whose densities were used")
    left_out: int = Field(description="Rows without a density, or of what looks like no galaxy")
    redshift_mean: float | None = Field(description="Of the sample; null where it does not constrain its redshifts")
    redshift_mean_error: float | None = Field(description="Standard error of it, of the sample's size alone")
    intervals: list[Interval]
    bin_edges: list[float] = Field(description="Edges of the bins of pdf, one more than bins")
    pdf: list[float] = Field(description="The distribution as a density, whose integral is one")
