"""Bodies of ``POST /predict`` that are not JSON, and answers that are not. Imports `query`, `schemas`, `tables`."""

from collections.abc import Mapping
from typing import get_args

from fastapi import Request, Response
from pydantic import ValidationError
from starlette.datastructures import QueryParams

from app.wire.query import refuse_unknown
from app.wire.schemas import PredictRequest
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import UNITS, SpectrumBatch

_PLACE = "#/components/schemas/{}"
_BINARY = {"schema": {"type": "string", "format": "binary"}}

BODY = {
    "required": True,
    "content": {JSON: {"schema": {"$ref": _PLACE.format(PredictRequest.__name__)}}, NPY: _BINARY, ARROW: _BINARY},
}
"""The request's bodies, for the OpenAPI document."""

_OPTIONS = PredictOptions.model_fields
_SCHEMAS: dict[str, dict[str, object]] = {
    "model": {"type": "string", "maxLength": 128},
    "prior": {"type": "string", "enum": list(get_args(PriorName))},
    "pdf": {"type": "boolean"},
    "unit": {"type": "string", "enum": list(UNITS)},
    "rows": {"type": "string", "enum": ["strict", "lenient"]},
}
"""Without defaults: a page that filled them in would send them with a JSON body too, which refuses them."""
PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{field.description}; for bodies that are not JSON: there it stands in the body",
        "schema": _SCHEMAS.get(name, {"type": "string"}),
    }
    for name, field in _OPTIONS.items()
]
"""What may stand in the query, for the OpenAPI document."""


def read_binary(kind: str, body: bytes, max_spectra: int, *, lenient: bool = True) -> SpectrumBatch:
    """Read an ``.npy`` array or an Arrow stream; `lenient`, or as strictly as JSON is read."""
    if kind == NPY:
        from app.wire.npy import read_npy

        return read_npy(body, max_spectra, lenient=lenient)
    from app.wire.arrow import read_arrow  # loads Arrow, which most requests do without

    return read_arrow(body, max_spectra, lenient=lenient)


def read_options(query: QueryParams) -> PredictOptions:
    """Return what a query asks of the spectra in the body; raises InvalidRequestError if it is not understood."""
    refuse_unknown(query, _OPTIONS)
    truth = {"true": True, "false": False}
    given = {name: truth.get(text, text) if name == "pdf" else text for name, text in query.items()}
    try:
        return PredictOptions.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        details = [
            Detail(str(problem["loc"][0])[:80], problem["msg"].removeprefix("Value error, ")) for problem in problems
        ]
        raise InvalidRequestError(f"the query is wrong: {details[0].at}: {details[0].message}", details) from error


def refuse_query(request: Request) -> None:
    """Raise InvalidRequestError if anything stands in the query of a JSON body: it would be overlooked."""
    if request.scope["query_string"]:
        query = request.query_params
        refuse_unknown(query, _OPTIONS)
        if query:
            raise InvalidRequestError(
                "with a JSON body the options stand in the body", [Detail(name, "in the query") for name in query]
            )


def arrow_reply(predictions: Predictions, about: Mapping[str, str]) -> Response:
    """Answer with an Arrow stream: the columns of a CSV answer, and in the schema's metadata how it was made."""
    from gaia_redshift.tables.answers import write_arrow

    headers = {"X-Model": about["model"].replace("@", " "), "X-Prior": about["prior"]}
    return Response(write_arrow(predictions, about), media_type=ARROW, headers=headers)
