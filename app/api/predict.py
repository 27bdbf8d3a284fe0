"""``POST /predict``."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

import orjson
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.types import Scope

from app.errors import OverloadedError, UnsupportedMediaTypeError
from app.serving.http.exchange import IN_SERVICE
from app.serving.registry import Model, Models
from app.settings import Settings
from app.wire import binary
from app.wire.json import read_request
from app.wire.media import media_type
from app.wire.replies import reply_rows
from app.wire.uploads import negotiate, whole_body
from gaia_redshift.client.messages import ErrorReply, PredictOptions, PredictReply
from gaia_redshift.interpretation.prior import name_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import SpectrumBatch

router = APIRouter(tags=["predict"])

PRIOR = (
    "Prior on redshift (point models take only survey); sample first infers the table's own distribution, from at "
    "least 200 galaxies"
)

_Result = TypeVar("_Result")

_IN_THREAD_BYTES = 128 << 10
"""Larger bodies are decoded in a thread, so that they do not block other clients."""

ERRORS: dict[int | str, dict[str, object]] = {
    400: {"model": ErrorReply, "description": "The body does not match its Content-Type"},
    404: {"model": ErrorReply, "description": "There is no such model"},
    413: {"model": ErrorReply, "description": "The body is too large"},
    415: {"model": ErrorReply, "description": "The Content-Type is not supported"},
    422: {"model": ErrorReply, "description": "The content does not fit the schema; details name the places"},
    401: {"model": ErrorReply, "description": "An API key is needed"},
    408: {"model": ErrorReply, "description": "The body arrives too slowly"},
    429: {"model": ErrorReply, "description": "Too many requests are waiting; try again after Retry-After seconds"},
    503: {"model": ErrorReply, "description": "The service is starting up, shutting down, or out of disk"},
}


async def _off_loop(request: Request, size: int, work: Callable[[], _Result]) -> _Result:
    """Run `work` in a thread if its input of about `size` bytes is large, else in the event loop, in its turn.

    Large bodies are decoded one at a time: in parallel they would be no faster and need more memory.
    """
    if size <= _IN_THREAD_BYTES:
        await request.app.state.decoding.turn()
        return work()
    async with request.app.state.large_bodies:
        return await asyncio.to_thread(work)


@router.post(
    "/predict",
    summary="Redshifts of spectra sent as JSON, a NumPy array or an Arrow stream",
    response_model=PredictReply,
    responses={
        200: {"description": "JSON, or an Arrow stream if Accept prefers it", "content": {ARROW: {}}},
        406: {"model": ErrorReply, "description": "Neither JSON nor an Arrow stream is acceptable"},
        **ERRORS,
    },
    openapi_extra={"requestBody": binary.BODY, "parameters": binary.PARAMETERS},
)
async def predict(request: Request) -> Response:
    """Predict the redshift of each spectrum: point estimate, 68% and 95% interval, quality flags.

    Each spectrum is either `flux` (80 BP and 106 RP samples) or `bp` and `rp`; arrays of 120 samples are
    truncated by the service. Fluxes are in e-/s per sample, blue to red; with `unit` `per_pixel` they are in
    e-/s per pixel, as GaiaXPy's `convert` gives them (a sample is 0.33342 pixels wide in BP, 0.35680 in RP).
    A wrong type or length refuses the whole request and names the place; with `rows` `lenient` it gives an error
    in its own row. A well-formed but unusable spectrum (all zero, constant, another unit) has `status: error`, and
    the others get their redshift. A density model also takes a `prior`, and returns the density with `pdf`; a
    point model refuses them (422, `unsupported_by_model`). A spectrum with `ebv`, the E(B-V) of the Milky Way's dust
    in front in mag, is corrected for it; `corrected_to_ebv` in the reply is what is left.

    `application/x-npy` is one array of shape (n, 186), or (n, 240) untruncated, float32 or float64. An Arrow
    stream has the list column `flux`, or `bp` and `rp`, and optionally `source_id` and `ebv`. For many spectra both are
    much faster; they are lenient unless `rows=strict`, and their options are in the query.
    """
    kind = media_type(request.headers)
    if kind not in {JSON, NPY, ARROW}:
        raise UnsupportedMediaTypeError(f"the Content-Type {kind!r} is not read; send {JSON}, {NPY} or {ARROW}")
    reply_type = negotiate(request, (JSON, ARROW))
    settings: Settings = request.app.state.settings
    models: Models = request.app.state.models
    _refuse_if_full(request.app)
    body = await whole_body(request)

    def read() -> tuple[SpectrumBatch, PredictOptions]:
        models.refuse_if_full()  # it may be by now
        return _read(request, kind, body, settings.max_spectra)

    batch, options = await _off_loop(request, len(body), read)
    model, asked, predictions = await _answer(request.scope, batch, options)
    if reply_type == ARROW:
        return await _off_loop(
            request,
            len(body),
            lambda: binary.arrow_reply(predictions, model.predictor.about(asked, corrected=predictions.corrected)),
        )
    content = await _off_loop(request, len(body), lambda: write_json(model, asked, predictions))
    return Response(content, media_type=JSON)


async def _answer(
    scope: Scope, batch: SpectrumBatch, options: PredictOptions
) -> tuple[Model, AnswerOptions, Predictions]:
    models: Models = scope["app"].state.models
    model = models.get(options.model)
    asked = options.asked()
    model.predictor.check(asked)
    scope["state"]["spectra"] = len(batch)
    with model:
        alone = len(scope.get(IN_SERVICE, ())) == 1
        return model, asked, await model.predict_merged(batch, asked, alone=alone)


_LONGEST_WAIT = 1.0
"""Seconds for which a body may wait to be decoded before others are refused."""


def _refuse_if_full(app: FastAPI) -> None:
    """Raise OverloadedError if a body would wait for long, to be decoded or to be predicted."""
    app.state.models.refuse_if_full()
    waited = app.state.decoding.waited
    if waited > _LONGEST_WAIT:
        raise OverloadedError("many bodies are already waiting: try again in a moment", waited)


_FEW_BYTES = 64 << 10
_FEW_ROWS = 1024


class SmallRequests:
    """``POST /predict`` for a small JSON body that has arrived completely; the endpoint of `FastPath`."""

    path = "/predict"

    def __init__(self, app: FastAPI) -> None:
        self._app, self._state = app, app.state
        settings: Settings = app.state.settings
        self._max_spectra = settings.max_spectra
        self.largest = min(_FEW_BYTES, settings.max_json_bytes)

    def busy(self) -> bool:
        """Return whether more spectra are waiting than can be predicted in a fraction of a second."""
        return any(model.batcher.queued_rows > _FEW_ROWS for model in self._state.models)

    def refusal(self) -> OverloadedError | None:
        """Return why every request is refused, if a body would wait for long."""
        try:
            _refuse_if_full(self._app)
        except OverloadedError as error:
            return error
        return None

    async def answer(self, scope: Scope, body: bytes) -> bytes:
        """Return the reply's JSON."""
        await self._state.decoding.turn()
        batch, options = read_request(body, self._max_spectra)
        return write_json(*await _answer(scope, batch.in_samples(options.unit), options))


def _read(request: Request, kind: str, body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictOptions]:
    """Read spectra and options: from the body, and for bodies that are not JSON, the options from the query."""
    if kind == JSON:
        binary.refuse_query(request)
        batch, options = read_request(body, max_spectra)
    else:
        options = binary.read_options(request.query_params)
        batch = binary.read_binary(kind, body, max_spectra, lenient=options.rows != "strict")
    return batch.in_samples(options.unit), options


def reply_head(model: Model, asked: AnswerOptions, *, corrected: bool) -> dict[str, object]:
    """Return the fields of a JSON reply other than its predictions."""
    head: dict[str, object] = {
        "model": {"name": model.manifest.name, "version": model.manifest.version},
        "prior": name_of(asked.prior),
    }
    if corrected:
        head["corrected_to_ebv"] = model.manifest.ebv
    if asked.pdf:
        head["bin_edges"] = model.manifest.bin_edges
    return head


def write_json(model: Model, asked: AnswerOptions, predictions: Predictions) -> bytes:
    """Return a JSON reply."""
    content = {**reply_head(model, asked, corrected=predictions.corrected), "predictions": reply_rows(predictions)}
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
