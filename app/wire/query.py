"""Query parameters that nobody knows are refused: a misspelt one would be answered as if it had not been sent."""

from collections.abc import Iterable

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import QueryParams

from gaia_redshift.errors import Detail, InvalidRequestError, suggestion


def refuse_unknown(query: QueryParams, known: Iterable[str]) -> None:
    """Raise InvalidRequestError if a query has a parameter that is not known, or one twice; details name them."""
    names = list(known)
    given = [name for name, _ in query.multi_items()]
    wrong = [Detail(name[:80], f"unknown: {suggestion(name[:80], names)}") for name in query if name not in names]
    wrong += [Detail(name, "given more than once") for name in query if name in names and given.count(name) > 1]
    if wrong:
        raise InvalidRequestError(f"the query is wrong: {wrong[0].at} is {wrong[0].message}", wrong)


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse what the route does not take; a dependency of routers."""
    if request.scope["query_string"]:
        route = request.scope["route"]
        known = [field.alias for field in route.dependant.query_params] if isinstance(route, APIRoute) else []
        refuse_unknown(request.query_params, known)
