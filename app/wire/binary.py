"""Binary bodies and answers of ``POST /predict``. Imports `query`, `schemas`, `tables`."""

from collections.abc import Mapping
from typing import get_args

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from app.wire.query import refuse_unknown
from app.wire.schemas import PredictRequest
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.interpretation.prior import PriorChoice
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import UNITS, SpectrumBatch

_PLACE = "#/components/schemas/{}"
_BINARY = {"schema": {"type": "string", "format": "binary"}}

BODY = {
    "required": True,
    "content": {JSON: {"schema": {"$ref": _PLACE.format(PredictRequest.__name__)}}, NPY: _BINARY, ARROW: _BINARY},
}
"""The request bodies, for the OpenAPI document."""

_OPTIONS = PredictOptions.model_fields
_SCHEMAS: dict[str, dict[str, object]] = {
    "model": {"type": "string", "maxLength": 128},
    "prior": {"type": "string", "enum": list(get_args(PriorChoice))},
    "pdf": {"type": "boolean"},
    "unit": {"type": "string", "enum": list(UNITS)},
    "rows": {"type": "string", "enum": ["strict", "lenient"]},
}
"""Documented without defaults: Swagger UI would send defaults also with a JSON body, for which they are refused."""
PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{field.description}; only for binary bodies: in JSON it is a field of the body",
        "schema": _SCHEMAS.get(name, {"type": "string"}),
    }
    for name, field in _OPTIONS.items()
]
"""The query parameters, for the OpenAPI document."""


def read_binary(kind: str, body: bytes, max_spectra: int, *, lenient: bool = True) -> SpectrumBatch:
    """Read an ``.npy`` array or an Arrow stream, leniently, or as strictly as JSON."""
    if kind == NPY:
        from app.wire.npy import read_npy

        return read_npy(body, max_spectra, lenient=lenient)
    from app.wire.arrow import read_arrow  # imports pyarrow, which most requests do not need

    return read_arrow(body, max_spectra, lenient=lenient)


def read_options(query: QueryParams) -> PredictOptions:
    """Return the options in a query; raises InvalidRequestError if one is unknown or invalid."""
    refuse_unknown(query, _OPTIONS)
    try:
        return PredictOptions.model_validate_strings(dict(query), strict=False)  # reads the same words as other queries
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        details = [
            Detail(str(problem["loc"][0])[:80], problem["msg"].removeprefix("Value error, ")) for problem in problems
        ]
        raise InvalidRequestError(f"the query is wrong: {details[0].at}: {details[0].message}", details) from error


def refuse_query(request: Request) -> None:
    """Raise InvalidRequestError if a request with a JSON body has query parameters, which would be ignored."""
    if request.scope["query_string"]:
        query = request.query_params
        refuse_unknown(query, _OPTIONS)
        if query:
            raise InvalidRequestError(
                "with a JSON body, give the options in the body, not in the query",
                [Detail(name, "in the query") for name in query],
            )


def arrow_reply(predictions: Predictions, about: Mapping[str, str]) -> Response:
    """Return a reply as an Arrow stream: the columns of a CSV answer, with model and prior in the schema's metadata."""
    from gaia_redshift.tables.answers import write_arrow

    headers = {"X-Model": about["model"].replace("@", " "), "X-Prior": about["prior"]}
    return Response(write_arrow(predictions, about), media_type=ARROW, headers=headers)
