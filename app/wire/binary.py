"""Bodies of ``POST /predict`` that are not JSON, and answers that are not. Imports `reading`, `schemas`, `tables`."""

from collections.abc import Mapping

from fastapi import Request, Response
from pydantic import ValidationError

from app.wire.schemas import PredictRequest
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.errors import Detail, InvalidRequestError
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import SpectrumBatch

_PLACE = "#/components/schemas/{}"
_BINARY = {"schema": {"type": "string", "format": "binary"}}

BODY = {
    "required": True,
    "content": {JSON: {"schema": {"$ref": _PLACE.format(PredictRequest.__name__)}}, NPY: _BINARY, ARROW: _BINARY},
}
"""The request's bodies, for the OpenAPI document."""

_OPTIONS = PredictOptions.model_fields
PARAMETERS = [
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": f"{field.description}; for bodies that are not JSON: there it stands in the body",
        "schema": {"type": "boolean"} if field.annotation is bool else {"type": "string"},
    }
    for name, field in _OPTIONS.items()
]


def read_binary(kind: str, body: bytes, max_spectra: int) -> SpectrumBatch:
    """Read an ``.npy`` array or an Arrow stream, as strictly as JSON is read."""
    if kind == NPY:
        from app.wire.npy import read_npy

        return read_npy(body, max_spectra)
    from app.wire.arrow import read_arrow  # loads Arrow, which most requests do without

    return read_arrow(body, max_spectra)


def read_options(query: Mapping[str, str]) -> PredictOptions:
    """Return what a query asks of the spectra in the body; raises InvalidRequestError if it is not understood."""
    truth = {"true": True, "false": False}
    given = {name: truth.get(text, text) if name == "pdf" else text for name, text in query.items()}
    try:
        return PredictOptions.model_validate(given)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False, include_context=False)
        details = [Detail(str(problem["loc"][0])[:80], problem["msg"]) for problem in problems]
        raise InvalidRequestError("the query is wrong", details) from error


def refuse_query(request: Request) -> None:
    """Raise InvalidRequestError if options stand in the query of a JSON body: they would be overlooked."""
    if request.scope["query_string"]:
        asked = [name for name in request.query_params if name in _OPTIONS]
        if asked:
            raise InvalidRequestError(
                "with a JSON body the options stand in the body", [Detail(name, "in the query") for name in asked]
            )


def arrow_reply(predictions: Predictions, about: Mapping[str, str]) -> Response:
    """Answer with an Arrow stream: the columns of a CSV answer, and in the schema's metadata how it was made."""
    from gaia_redshift.tables.answers import write_arrow

    headers = {"X-Model": about["model"].replace("@", " "), "X-Prior": about["prior"]}
    return Response(write_arrow(predictions, about), media_type=ARROW, headers=headers)
