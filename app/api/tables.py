"""``POST /predict/table``: redshifts for a table of any format, in the requested format."""

from contextlib import ExitStack
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BeforeValidator

from app.api.predict import ERRORS, PRIOR
from app.serving.registry import Model
from app.serving.rows import answer_blocks, refuse_many
from app.serving.sample import in_thread, sample_prior
from app.settings import Settings
from app.wire.job_options import FormatName
from app.wire.media import media_type
from app.wire.query import DaliRoute, prior_of_form, refuse_unknown_parameters
from app.wire.spooled import ANSWER_RATIO, Draft
from app.wire.uploads import negotiate, read_part, uploaded_table
from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.interpretation.prior import PriorChoice, name_of
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.spectra import FLUX_UNIT, UNITS, SpectrumBatch, Unit, find_unit
from gaia_redshift.tables.answers import beside, stamped
from gaia_redshift.tables.formats import FORMATS, QP, Format, check_densities, opened, settle
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import check_readable, read_spectra, unit_of_columns

router = APIRouter(tags=["predict"], route_class=DaliRoute, dependencies=[Depends(refuse_unknown_parameters)])

WRITTEN = [one for one in FORMATS.values() if one.writes]
_PACKED = ("application/gzip", "application/zstd", "application/zip", "application/octet-stream")
ACCEPTED = (*(kind for one in FORMATS.values() for kind in one.media_types), *_PACKED)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_FORM = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary"}},
    }
}
_BODY = {"required": True, "content": {**dict.fromkeys(ACCEPTED, _BINARY), "multipart/form-data": _FORM}}


@router.post(
    "/predict/table",
    summary="Redshifts for a table: CSV, ECSV, FITS, VOTable, Parquet, Arrow, JSON lines, NumPy",
    response_class=Response,
    responses={
        200: {
            "description": "The table with redshifts, in the format given by `format` or Accept",
            "content": {one.media_types[0]: _BINARY for one in WRITTEN},
        },
        406: {"model": ErrorReply, "description": "None of the acceptable formats can be written"},
        **ERRORS,
    },
    openapi_extra={"requestBody": _BODY},
)
async def predict_table(
    request: Request,
    *,
    model: Annotated[str | None, Query(max_length=128, description="`name` or `name@version` from /models")] = None,
    prior: Annotated[PriorChoice, Query(description=PRIOR)] = "survey",
    pdf: Annotated[bool, Query(description="Also return the density per bin (density models only)")] = False,
    snr: Annotated[bool, Query(description="Also return `snr_bp` and `snr_rp`, from the archive's errors")] = False,
    stamp: Annotated[bool, Query(description="Also return `model`, `prior` and so on, the same in every row")] = False,
    unit: Annotated[Unit, BeforeValidator(find_unit), Query(description=f"Of the fluxes: {FLUX_UNIT}")] = UNITS[0],
    format: Annotated[FormatName | None, Query(description="Format of the answer; overrides Accept")] = None,  # noqa: A002
) -> Response:
    """Predict every row of a table, sent as a multipart upload (part `file`) or as the body; gzip, zstd and zip too.

    The format is recognised by its content. Spectra are columns `flux_0..`, arrays `flux` or `bp` and `rp`, or the
    coefficients of Gaia's archive; by a column `ebv` the fluxes are corrected for dust. `X-Recognised` says what was
    recognised. The table is returned with its other
    columns unchanged, followed by the redshifts. The answer has a row for each row; a bad one has `status` `error` and
    the reason.
    """
    settings: Settings = request.app.state.settings
    chosen: Model = request.app.state.models.get(model)
    asked = AnswerOptions(prior, pdf)
    chosen.predictor.check(asked)
    kind = media_type(request.headers)
    written = QP if format == "qp" else FORMATS[format] if format else _acceptable(request, kind)
    check_densities(written, pdf)
    if chosen.batcher.full:
        raise chosen.batcher.overloaded()
    # Hold the model from here on, so that a reload during the upload does not end it.
    with chosen, Draft(ANSWER_RATIO * settings.max_body_bytes) as draft:
        async with uploaded_table(request, ACCEPTED) as file, request.app.state.tables.turn_of(file):
            if kind == "multipart/form-data":
                asked = AnswerOptions(prior_of_form(request.state.form, prior), pdf)
                chosen.predictor.check(asked)
            with ExitStack() as stack:
                table = await in_thread(lambda: read_part(lambda: stack.enter_context(opened(file, media_type=kind))))
                dense = pdf or asked.prior == "sample"
                most = min(settings.max_rows, settings.max_pdf_rows) if dense else settings.max_rows
                refuse_many(table.rows or 0, most)
                grid = chosen.predictor.bundle.grid
                found = await in_thread(lambda: read_part(lambda: recognise(table, grid)))
                check_readable(found, grid, chosen.manifest.id)
                about = chosen.predictor.about(asked, corrected=found.ebv is not None)
                await in_thread(lambda: read_part(lambda: settle(table, found, written)))
                own = unit_of_columns(table, found, unit)
                if asked.prior == "sample":
                    every = (batch.in_samples(own) for batch in read_spectra(table, found))
                    asked = AnswerOptions(
                        await sample_prior(
                            chosen, every, lambda rows: refuse_many(rows, most), request.app.state.samples
                        ),
                        pdf,
                    )
                blocks = (batch.in_samples(own) for batch in read_spectra(table, found, carry=True, errors=snr))
                writer = written.writer(draft.file, about)

                def keep(batch: SpectrumBatch, predictions: Predictions) -> None:
                    answers = beside(batch.carried, predictions, about)
                    read_part(lambda: writer.write(stamped(answers, about) if stamp else answers))

                rows = await answer_blocks(blocks, chosen, asked, most, keep)
                await in_thread(lambda: read_part(writer.close))
        request.scope["state"]["spectra"] = rows
        headers = {
            "X-Model": f"{chosen.manifest.name} {chosen.manifest.version}",
            "X-Prior": name_of(asked.prior),
            "X-Recognised": found.header,
        }
        return draft.reply(written.media_types[0], headers)


def _acceptable(request: Request, kind: str) -> Format:
    """Return the format of the answer by Accept; the body's own is preferred, CSV if that cannot be written."""
    own = next((one for one in WRITTEN if kind in one.media_types), FORMATS["csv"])
    offered = [own.media_types[0], *(one.media_types[0] for one in WRITTEN if one is not own)]
    best = negotiate(request, offered)
    return next(one for one in WRITTEN if one.media_types[0] == best)
