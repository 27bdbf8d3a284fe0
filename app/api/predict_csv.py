"""``POST /predict/csv``."""

import asyncio
from typing import Annotated

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator

from app.api.predict import ERRORS, PRIOR, reply_head
from app.serving.registry import Model
from app.serving.rows import answer_blocks, refuse_many
from app.serving.sample import sample_prior
from app.settings import Settings
from app.wire.media import media_type
from app.wire.query import prior_of_form, refuse_unknown_parameters
from app.wire.replies import reply_rows
from app.wire.spooled import ANSWER_RATIO, Draft
from app.wire.uploads import negotiate, uploaded_table
from gaia_redshift.client.messages import ErrorReply, PredictReply
from gaia_redshift.interpretation.prior import PriorChoice, name_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.media import JSON
from gaia_redshift.spectra import FLUX_UNIT, UNITS, SpectrumBatch, Unit, find_unit
from gaia_redshift.tables.csv import open_csv, write_csv
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra, unit_of_columns

router = APIRouter(tags=["predict"])

CSV = "text/csv"

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
