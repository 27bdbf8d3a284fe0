"""The exchanges between client and service, without a network: generators that yield requests and receive replies.

`Client` and `AsyncClient` share this code; they differ only in how they wait.
"""

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from gaia_redshift.client.encoding import write_request
from gaia_redshift.client.failures import ServiceError, checked, not_understood
from gaia_redshift.client.predictions import Piece, Predictions, from_arrow, from_json
from gaia_redshift.client.questions import Question, open_table, read_options
from gaia_redshift.media import ARROW, JSON
from gaia_redshift.spectra import whole_numbers

_Result = TypeVar("_Result")

MOST_SPECTRA = 10_000
"""Most spectra in one request, unless the service gives a lower limit."""
_ASK_FROM_ROWS = 500
"""From this many spectra on, the service is asked for its limit first."""
_ATTEMPTS = 20
"""How often a request is repeated when the service is busy; Retry-After says how long to wait."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Yielded by a conversation to pause."""

    seconds: float


Request = dict[str, Any]
"""Arguments of `httpx.Client.request`."""

Talk = Generator[Request | Wait, Any, _Result]


def predictions(question: Question, known: dict[str, int]) -> Talk[Predictions]:
    """Send spectra, in as many requests as the service's limit needs, and join the answers.

    Parameters
    ----------
    question : Question
    known : dict
        The service's limits as far as they are known; filled in here.
    """
    rows = len(question.spectra)
    if rows > _ASK_FROM_ROWS and not known:
        known["spectra"] = yield from _most_spectra()
    most = known.get("spectra", MOST_SPECTRA)
    if rows > most and question.options.get("prior") == "sample":
        raise ValueError(
            f"the prior sample is inferred from one request, which takes at most {most} spectra, not {rows}: "
            "send them as a table, or use gaia-redshift predict --prior sample"
        )
    pieces: list[Piece] = []
    with _progress(rows, most) as advance:
        for start in range(0, max(rows, 1), most):
            part = question.spectra.part(slice(start, start + most))
            sent = write_request(part, question.options)
            sent["headers"]["Accept"] = ARROW
            request = {"method": "POST", "url": "/predict", **sent}
            pieces.append((yield from _patiently(request, start, alone=rows <= most)))
            advance(len(part))
    if sum(len(piece.columns) for piece in pieces) != rows:
        raise ServiceError(200, "http_error", "the service answered with a different number of rows than were sent", [])
    return Predictions(pieces, question.source_id, question.named_by, question.problems)


def _most_spectra() -> Talk[int]:
    """Return how many spectra the service takes in one request, from its OpenAPI document."""
    reply = yield {"method": "GET", "url": "/openapi.json"}
    try:
        schema = reply.json()["components"]["schemas"]["PredictRequest"]
        return max(1, min(MOST_SPECTRA, int(schema["properties"]["spectra"]["maxItems"])))
    except (ValueError, KeyError, TypeError):
        return MOST_SPECTRA


def _patiently(request: Request, first_row: int, *, alone: bool) -> Talk[Piece]:
    """Send one of several requests, retry while the service is busy, and read the answer."""
    reply = yield request
    for _ in range(_ATTEMPTS):
        if alone or reply.status_code != 429:
            break
        yield Wait(float(reply.headers.get("Retry-After", "1")))
        reply = yield request
    try:
        return read(checked(reply))
    except ServiceError as error:
        raise _shifted(error, first_row) if first_row else error from None


def _shifted(error: ServiceError, rows: int) -> ServiceError:
    """Return an error whose row numbers count from the first spectrum of all requests."""

    def shift(at: str) -> str:
        return re.sub(r"^spectra\[(\d+)\]", lambda found: f"spectra[{int(found[1]) + rows}]", at)

    return ServiceError(
        error.status, error.code, error.message, [{**one, "at": shift(one["at"])} for one in error.details]
    )


def read(reply: httpx.Response) -> Piece:
    """Read a successful answer; raises ServiceError if it is not one of this service."""
    try:
        kind = reply.headers.get("content-type", "").partition(";")[0]
        return from_arrow(reply.content) if kind == ARROW else from_json(reply.content)
    except ValueError:
        raise not_understood(reply) from None


@contextmanager
def _progress(rows: int, most: int) -> Generator[Any]:
    """Show the progress of a request sent in several pieces, on a terminal."""
    if rows <= most or not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("spectra", total=rows)
        yield lambda count: bar.advance(task, count)


def predictions_of_csv(table: Any, *, model: str | None, prior: Any, pdf: bool, unit: object) -> Talk[Predictions]:
    """Upload a CSV table."""
    params = read_options(model=model, prior=prior, pdf=pdf, unit=unit)
    form = {}
    if isinstance(params.get("prior"), dict):
        import orjson

        form["prior"] = orjson.dumps(params.pop("prior")).decode()
    params = {name: str(value).lower() if isinstance(value, bool) else value for name, value in params.items()}
    name, file, ours = open_table(table)
    try:
        reply = yield {
            "method": "POST",
            "url": "/predict/csv",
            "files": {"file": (name, file, "text/csv")},
            "data": form,
            "params": params,
            "headers": {"Accept": JSON},
        }
    finally:
        if ours:
            file.close()
    try:
        piece = read(checked(reply))
    except ServiceError as error:
        if "POST /predict/table" not in error.message:
            raise
        way = f"{error.message}; or read it here, predict(gaia_redshift.read({name!r}))"
        raise ServiceError(error.status, error.code, way, error.details) from None
    named = _IDENTIFIERS.search(reply.headers.get("x-recognised", ""))
    return Predictions([piece], whole_numbers(piece.source_id), named[1] if named else None)


_IDENTIFIERS = re.compile(r"; identifiers from (.*)$")


def models() -> Talk[list[dict[str, object]]]:
    """Ask which models are loaded."""
    reply = yield {"method": "GET", "url": "/models"}
    try:
        described: list[dict[str, Any]] = checked(reply).json()["models"]
    except (ValueError, KeyError, TypeError):
        raise not_understood(reply) from None
    return described


def ready() -> Talk[bool]:
    """Ask whether the service can predict now."""
    reply = yield {"method": "GET", "url": "/health/ready"}
    return bool(reply.is_success)
