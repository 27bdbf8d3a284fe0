"""What goes over the wire. Imports `spectra` and `errors` of the project.

`PredictRequest` is the schema the documentation shows and the judge of a bad body; `read_request` reads a good one
faster, straight into arrays, and asks the judge only when something looks wrong.
"""

from typing import Annotated, Any, Literal

import numpy as np
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import Detail, InvalidRequestError, MalformedBodyError
from app.redshift import Predictions, QualityFlag, Redshifts
from app.spectra import BAND_SAMPLES, BP_COUNT, FLUX_COUNT, RP_COUNT, FloatArray, SpectrumBatch, assemble

FiniteNumber = Annotated[float, Field(allow_inf_nan=False)]
SourceId = Annotated[int, Field(ge=-(2**63), lt=2**64)] | Annotated[str, Field(max_length=256)]
ModelName = Annotated[str, Field(max_length=64)]

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


class PredictRequest(Wire):
    """A batch of spectra."""

    spectra: list[Spectrum] = Field(
        min_length=1, max_length=MOST_SPECTRA, description="Spectra; predictions come in the same order"
    )
    model: ModelName | None = Field(None, description="A name from /models; the default model if absent")
    prior: Literal["survey", "flat"] = Field(
        "survey", description="Prior on redshift: the training survey's, or flat (density models only)"
    )
    pdf: bool = Field(False, description="Also return the probability density (density models only)")


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
    redshift: float | None = Field(None, description="Point estimate")
    redshift_lower: float | None = Field(None, description="Lower end of the 68% interval")
    redshift_upper: float | None = Field(None, description="Upper end of the 68% interval")
    redshift_lower95: float | None = Field(None, description="Lower end of the 95% interval")
    redshift_upper95: float | None = Field(None, description="Upper end of the 95% interval")
    quality: list[QualityFlag] | None = Field(None, description="Warnings; an empty list means none")
    error: RowError | None = None


class ModelVersion(Wire):
    """Which model answered."""

    name: str
    version: str


class PredictReply(Wire):
    """Predictions in input order."""

    model: ModelVersion
    predictions: list[Prediction]


def read_request(body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictRequest]:
    """Read a JSON body into spectra and what was asked of them.

    Parameters
    ----------
    body : bytes
        JSON in the shape of `PredictRequest`.
    max_spectra : int
        Most spectra allowed.

    Returns
    -------
    SpectrumBatch, PredictRequest
        The second holds the options; its spectra may be empty, they are in the first.

    Raises
    ------
    MalformedBodyError
        If the body is not JSON.
    InvalidRequestError
        If it breaks the schema; details name positions such as ``spectra[17].flux[3]``.
    """
    try:
        document = orjson.loads(body)
        spectra = document.pop("spectra")
        options = PredictRequest.model_construct(None, spectra=[], **_options(document))
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValidationError):
        return _judge(body, max_spectra)
    if not isinstance(spectra, list) or not 0 < len(spectra) <= max_spectra:
        return _judge(body, max_spectra)
    flux = _flux_fast(spectra)
    identifiers = [spectrum.get("source_id") for spectrum in spectra] if flux is not None else []
    if flux is None or not all(map(_plain_identifier, identifiers)):
        return _judge(body, max_spectra)
    return SpectrumBatch(flux, _as_text(identifiers)), options


class _Options(Wire):
    model: ModelName | None = None
    prior: Literal["survey", "flat"] = "survey"
    pdf: bool = False


def _options(document: dict[str, Any]) -> dict[str, Any]:
    return _Options.model_validate(document).model_dump() if document else _DEFAULTS


_DEFAULTS = _Options().model_dump()
_NUMBERS = frozenset({float, int})
_FLUX_KEYS = ({"flux"}, {"flux", "source_id"})


def _flux_fast(spectra: list[Any]) -> FloatArray | None:
    """Return fluxes of shape (n, 186) if every spectrum is plain `flux` of finite numbers; None to ask the judge."""
    rows = []
    for spectrum in spectra:
        if type(spectrum) is not dict or spectrum.keys() not in _FLUX_KEYS:
            return None
        row = spectrum["flux"]
        if type(row) is not list or len(row) != FLUX_COUNT or not _NUMBERS.issuperset(map(type, row)):
            return None
        rows.append(row)
    try:
        values = np.array(rows, dtype=np.float64)
    except OverflowError:  # an integer beyond any float
        return None
    return _narrow(values) if np.isfinite(values).all() else None


def _narrow(values: Any) -> FloatArray:
    """Return float32; a number beyond its range becomes infinite and is refused by row, as any unusable flux."""
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype=np.float64).astype(np.float32)


def _plain_identifier(value: object) -> bool:
    if type(value) is int:
        return True  # orjson reads no integer outside 64 bits
    return value is None or (type(value) is str and len(value) <= 256)


def _as_text(identifiers: list[Any]) -> list[str | None] | None:
    if not any(value is not None for value in identifiers):
        return None
    return [None if value is None else str(value) for value in identifiers]


def _judge(body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictRequest]:
    """Read the body by its schema, which finds the exact position of what is wrong."""
    try:
        request = PredictRequest.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error) from error
    if len(request.spectra) > max_spectra:
        raise InvalidRequestError(
            f"{len(request.spectra)} spectra in one request: at most {max_spectra}; send several, or a table",
            [Detail("spectra", f"at most {max_spectra} items")],
        )
    rows = [_narrow(s.flux) if s.flux is not None else assemble(_narrow(s.bp), _narrow(s.rp)) for s in request.spectra]
    return SpectrumBatch(np.stack(rows), _as_text([s.source_id for s in request.spectra])), request


def _explain(error: ValidationError) -> MalformedBodyError | InvalidRequestError:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return MalformedBodyError(f"the body is not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}")
    messages: dict[str, str] = {}
    for problem in problems:  # an identifier is refused once as an integer and once as a string: one place
        at = _position(problem["loc"])
        messages[at] = f"{messages[at]}, or: {problem['msg']}" if at in messages else problem["msg"]
    places = "1 place" if len(messages) == 1 else f"{len(messages)} places"
    details = [Detail(at, message) for at, message in messages.items()]
    return InvalidRequestError(f"the request breaks the schema in {places}", details)


def _position(location: tuple[int | str, ...]) -> str:
    """Write a location as ``spectra[17].flux[3]``, without the names pydantic gives to alternatives."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(("constrained-", "int", "str")):
            text += f".{part}" if text else part
    return text or "body"


def reply_rows(predictions: Predictions) -> list[dict[str, Any]]:
    """Return the predictions as rows in the shape of `Prediction`, ready for JSON."""
    columns = [getattr(predictions.redshifts, name).tolist() for name in Redshifts.INTERVALS]
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
        else:
            answer["status"] = "error"
            answer["error"] = {"code": problem.code, "message": problem.message}
        rows.append(answer)
    return rows
