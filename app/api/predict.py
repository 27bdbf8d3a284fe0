"""``POST /predict`` and ``POST /predict/csv``."""

import asyncio
from collections.abc import Callable
from typing import Annotated, TypeVar

import orjson
from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import BeforeValidator
from starlette.types import Scope

from app.errors import OverloadedError, UnsupportedMediaTypeError
from app.serving.http.exchange import IN_SERVICE
from app.serving.registry import Model, Models
from app.serving.rows import answer_blocks, refuse_many
from app.serving.sample import sample_prior
from app.settings import Settings
from app.wire import binary
from app.wire.json import read_request
from app.wire.media import media_type
from app.wire.query import prior_of_form, refuse_unknown_parameters
from app.wire.replies import reply_rows
from app.wire.spooled import ANSWER_RATIO, Draft
from app.wire.uploads import negotiate, uploaded_table, whole_body
from gaia_redshift.client.messages import ErrorReply, PredictOptions, PredictReply
from gaia_redshift.interpretation.prior import PriorChoice, name_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.media import ARROW, JSON, NPY
from gaia_redshift.spectra import FLUX_UNIT, UNITS, SpectrumBatch, Unit, find_unit
from gaia_redshift.tables.csv import open_csv, write_csv
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra, unit_of_columns

router = APIRouter(tags=["predict"])

CSV = "text/csv"

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

_CSV_BODY: dict[str, object] = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {
                    "file": {"type": "string", "format": "binary", "description": "The table"},
                    "prior": {
                        "type": "string",
                        "description": "Instead of the query's: a prior of your own as JSON, such as "
                        '{"redshift": [0, 0.1, 0.6], "density": [0, 4, 1]}',
                        "example": "",
                    },
                },
                "additionalProperties": False,
            }
        },
        CSV: {"schema": {"type": "string"}},
    },
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


@router.post(
    "/predict/csv",
    summary="Redshifts of an uploaded CSV table",
    dependencies=[Depends(refuse_unknown_parameters)],
    response_model=PredictReply,
    responses={
        200: {"description": "CSV or JSON by the Accept header; CSV by default", "content": {CSV: {}}},
        406: {"model": ErrorReply, "description": "Neither CSV nor JSON is acceptable"},
        **ERRORS,
    },
    openapi_extra={"requestBody": _CSV_BODY},
)
async def predict_csv(
    request: Request,
    model: Annotated[str | None, Query(max_length=128, description="`name` or `name@version` from /models")] = None,
    prior: Annotated[PriorChoice, Query(description=PRIOR)] = "survey",
    pdf: Annotated[bool, Query(description="Also return the density per bin (density models only)")] = False,
    unit: Annotated[Unit, BeforeValidator(find_unit), Query(description=f"Of the fluxes: {FLUX_UNIT}")] = UNITS[0],
) -> Response:
    """Predict every row of a table, sent as a multipart upload (part `file`) or as a raw `text/csv` body.

    Columns: `flux_0` to `flux_185`, or `bp_0..` (80 or 120) and `rp_0..` (106 or 120), in any order; `source_id`
    is optional, and may be called `designation`, `objid` and the like: `X-Recognised` names the columns used for it
    and for the fluxes. By a column `ebv` the fluxes are corrected for dust. Other columns are ignored. Fluxes are
    in e-/s per sample, blue to red; for those of GaiaXPy's `convert` give `unit=per_pixel`. The answer has a row
    for each row: a bad one has `status` `error` and the reason, the others their redshift. With `pdf=true` the last
    columns are `pdf_0..`, and the header `X-Bin-Edges` has the edges of their bins.
    """
    settings: Settings = request.app.state.settings
    chosen: Model = request.app.state.models.get(model)
    asked = AnswerOptions(prior, pdf)
    chosen.predictor.check(asked)
    write = {CSV: _csv_block, JSON: _json_block}[reply_type := negotiate(request, (CSV, JSON))]
    name, version = chosen.manifest.name, chosen.manifest.version
    if chosen.batcher.full:
        raise chosen.batcher.overloaded()
    begun = False

    # Hold the model from here on, so that a reload during the upload does not end it.
    with chosen, Draft(ANSWER_RATIO * settings.max_body_bytes) as draft:

        def keep(_batch: SpectrumBatch, predictions: Predictions) -> None:
            nonlocal begun
            draft.file.write(write(predictions, not begun))
            begun = True

        async with uploaded_table(request, (CSV,)) as file, request.app.state.tables.turn_of(file):
            if media_type(request.headers) == "multipart/form-data":
                asked = AnswerOptions(prior_of_form(request.state.form, prior), pdf)
                chosen.predictor.check(asked)
            dense = pdf or asked.prior == "sample"
            max_rows = min(settings.max_rows, settings.max_pdf_rows) if dense else settings.max_rows
            table = await asyncio.to_thread(open_csv, file)
            found = await asyncio.to_thread(recognise, table)
            own = unit_of_columns(table, found, unit)
            if reply_type == JSON:
                head = reply_head(chosen, asked, corrected=found.ebv is not None)
                draft.file.write(orjson.dumps(head)[:-1] + b',"predictions":[')
            if asked.prior == "sample":
                every = (batch.in_samples(own) for batch in read_spectra(table, found))
                asked = AnswerOptions(
                    await sample_prior(
                        chosen, every, lambda rows: refuse_many(rows, max_rows), request.app.state.samples
                    ),
                    pdf,
                )
            blocks = (batch.in_samples(own) for batch in read_spectra(table, found))
            rows = await answer_blocks(blocks, chosen, asked, max_rows, keep)
            if reply_type == JSON:
                draft.file.write(b"]}")
        request.scope["state"]["spectra"] = rows
        headers = {"X-Model": f"{name} {version}", "X-Prior": name_of(asked.prior), "X-Recognised": found.header}
        if pdf:
            headers["X-Bin-Edges"] = orjson.dumps(chosen.manifest.bin_edges).decode()
        return draft.reply(reply_type, headers)


def _csv_block(predictions: Predictions, first: bool) -> bytes:
    return write_csv(predictions, header=first).encode()


def _json_block(predictions: Predictions, first: bool) -> bytes:
    """Return a block's rows as JSON without the enclosing brackets; a million rows at once would not fit in memory."""
    return (b"" if first else b",") + orjson.dumps(reply_rows(predictions), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
