"""Query parameters; unknown ones are refused. Imports `errors` and `interpretation`.

Otherwise a misspelt parameter would be ignored silently.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, cast, get_args
from urllib.parse import urlencode

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.datastructures import FormData, QueryParams

from app.wire.job_options import canonical
from gaia_redshift.errors import Detail, InvalidRequestError, suggestion
from gaia_redshift.interpretation.prior import PriorChoice, PriorTable, WantedPrior


def refuse_unknown(query: QueryParams, known: Iterable[str]) -> None:
    """Raise InvalidRequestError if a query has an unknown or repeated parameter; details name it."""
    names = list(known)
    given = [name for name, _ in query.multi_items()]
    wrong = [Detail(name[:80], f"unknown: {suggestion(name[:80], names)}") for name in query if name not in names]
    wrong += [Detail(name, "given more than once") for name in query if name in names and given.count(name) > 1]
    if wrong:
        raise InvalidRequestError(f"the query is wrong: {wrong[0].at} is {wrong[0].message}", wrong)


def prior_of_form(form: FormData, named: PriorChoice) -> WantedPrior:
    """Return the prior sent in a form with the table, or the one named in the query.

    Raises
    ------
    InvalidRequestError
        If the form's prior is invalid, or the form has other fields.
    """
    others = [name for name in form if name not in {"file", "prior"}]
    if others:
        details = [Detail(name[:80], "given in the form") for name in others]
        raise InvalidRequestError(f"the form has {others[0][:80]!r}: give options in the query (?pdf=true)", details)
    text = form.get("prior")
    if not isinstance(text, str) or not text.strip():
        return named
    if text in get_args(PriorChoice):
        return cast("PriorChoice", text)
    try:
        return PriorTable.model_validate_json(text)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        at = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in problem["loc"])
        raise InvalidRequestError(
            "the form's prior must be survey, flat, sample, or a table as JSON",
            [Detail(f"prior{at}", problem["msg"])],
        ) from None


class DaliRoute(APIRoute):
    """A route that reads the names of its query's parameters in any case, as DALI 1.1 has it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return what answers a request."""
        answer = super().get_route_handler()

        async def answer_any_case(request: Request) -> Response:
            if request.scope["query_string"]:
                pairs = QueryParams(request.scope["query_string"]).multi_items()
                query = urlencode([(canonical(name), value) for name, value in pairs])
                request.scope["query_string"] = query.encode()
            return await answer(request)

        return answer_any_case


def refuse_unknown_parameters(request: Request) -> None:
    """Raise for query parameters that the route does not have; a dependency of routers."""
    if request.scope["query_string"]:
        route = request.scope["route"]
        known = [field.alias for field in route.dependant.query_params] if isinstance(route, APIRoute) else []
        refuse_unknown(request.query_params, known)
