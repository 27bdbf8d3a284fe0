"""Parameters of a new job, from query, form or JSON; their names are case-insensitive.

Imports `errors` and `interpretation` of the library.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from gaia_redshift.errors import Detail, InvalidRequestError, suggestion
from gaia_redshift.interpretation.prior import PriorName, PriorTable
from gaia_redshift.spectra import UNITS, Unit, find_unit
from gaia_redshift.tables.formats import format_of_media_type

_MOST_TEXT = 2000


def _prior(value: Any) -> Any:
    """Read a prior given as JSON in a form."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        return PriorTable.model_validate_json(value)
    return value


def read_format(value: Any) -> Any:
    """Take a media type for the name of its format, as DALI has it."""
    if isinstance(value, str) and "/" in value:
        found = format_of_media_type(value.partition(";")[0].strip())
        return found.name if found is not None else value
    return value.lower() if isinstance(value, str) else value


FormatName = Annotated[
    Literal["csv", "ecsv", "fits", "votable", "parquet", "arrow", "jsonl", "qp"], BeforeValidator(read_format)
]
"""Format of an answer; a media type stands for its format."""


def _identifiers(value: Any) -> Any:
    """Read identifiers given in a form, as repeated fields or separated by commas."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        return [part for item in value for part in (item.split(",") if isinstance(item, str) else [item])]
    return value


def _moment(value: datetime) -> datetime:
    """Interpret a time without a zone as UTC, as in UWS."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value


def _printable(value: str) -> str:
    """Raise ValueError for characters that XML or a database cannot hold."""
    if not value.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return value


Text = Annotated[str, AfterValidator(_printable)]
Moment = Annotated[datetime, AfterValidator(_moment)]
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)
SourceId = Annotated[int, Field(ge=0, lt=2**63)]


class JobOptions(BaseModel):
    """A new job, without its table."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Text | None = Field(None, max_length=128)
    prior: Annotated[PriorName | PriorTable, BeforeValidator(_prior)] = "survey"
    pdf: bool = False
    snr: bool = False
    unit: Annotated[Unit, BeforeValidator(find_unit)] = UNITS[0]
    format: FormatName | None = None
    rows: Literal["lenient", "strict"] = "lenient"
    runid: Text | None = Field(None, max_length=64)
    phase: Literal["RUN"] | None = None
    url: Text | None = Field(None, max_length=_MOST_TEXT)
    path: Text | None = Field(None, max_length=_MOST_TEXT)
    source_ids: Annotated[list[SourceId] | None, BeforeValidator(_identifiers)] = Field(None, min_length=1)
    executionduration: int | None = Field(None, ge=0)
    destruction: Moment | None = None
    notify: Text | None = Field(None, max_length=_MOST_TEXT)


_ALIASES = {"responseformat": "format", "source_id": "source_ids", "run_id": "runid"}
_LISTS = {"source_ids"}


def canonical(name: str) -> str:
    """Return a parameter's name in lower case, as DALI reads it; ``RESPONSEFORMAT`` is ``format``."""
    return _ALIASES.get(name.lower(), name.lower())


def by_name(pairs: Iterable[tuple[str, Any]], known: Iterable[str]) -> dict[str, Any]:
    """Return parameters by lower-case name.

    Parameters
    ----------
    pairs : iterable of (str, object)
    known : iterable of str
        All valid names.

    Raises
    ------
    InvalidRequestError
        If a name is unknown, or given more than once.
    """
    names = list(known)
    found: dict[str, Any] = {}
    for given, value in pairs:
        name = canonical(given)
        if name not in names:
            wrong = f"unknown: {suggestion(given[:80], names)}"
            raise InvalidRequestError(f"the parameter {given[:80]!r} is {wrong}", [Detail(given[:80], wrong)])
        if name in _LISTS and isinstance(value, str):
            found.setdefault(name, []).append(value)
        elif name in found:
            raise InvalidRequestError(f"{given[:80]} is given more than once", [Detail(given[:80], "duplicate")])
        else:
            found[name] = value
    return found


def read_options(given: Mapping[str, Any]) -> JobOptions:
    """Return the options of a new job; raises InvalidRequestError."""
    try:
        return JobOptions.model_validate({**given, **_upper(given)})
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        details = [Detail(_place(problem["loc"]), problem["msg"]) for problem in problems]
        raise InvalidRequestError(f"{details[0].at}: {details[0].message}", details) from None


def _upper(given: Mapping[str, Any]) -> dict[str, Any]:
    phase = given.get("phase")
    return {"phase": phase.upper()} if isinstance(phase, str) else {}


def _place(location: tuple[int | str, ...]) -> str:
    first, *rest = location
    inside = [part for part in rest if isinstance(part, int) or part not in {"PriorTable", "literal['survey','flat']"}]
    return f"{first}{''.join(f'[{part}]' if isinstance(part, int) else f'.{part}' for part in inside)}"


def read_number(name: str, text: str, least: int) -> int:
    """Return a whole number; raises InvalidRequestError."""
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if not least <= number <= 2**31 - 1:
        raise InvalidRequestError(
            f"{name} is {text[:40]!r}: give a number from {least}", [Detail(name, "not an allowed number")]
        )
    return number


def read_moment(name: str, text: str) -> float:
    """Return a time in seconds since 1970; raises InvalidRequestError."""
    try:
        return _MOMENT.validate_python(text).timestamp()
    except (ValidationError, OverflowError):
        raise InvalidRequestError(
            f"{name} is {text[:40]!r}: give a time as 2026-12-02T11:00:00Z", [Detail(name, "no time of ISO 8601")]
        ) from None
