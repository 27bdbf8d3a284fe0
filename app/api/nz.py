"""``POST /nz``: the redshift distribution of a sample, from the densities that ``POST /predict`` returned."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Annotated, Any

import orjson
import pyarrow
from fastapi import APIRouter, Depends, Query, Request, Response

from app.api.predict import ERRORS
from app.api.tables import ACCEPTED
from app.serving.registry import Models
from app.serving.rows import refuse_many
from app.serving.sample import Distribution, in_thread
from app.settings import Settings
from app.wire.json import holds_more
from app.wire.media import media_type
from app.wire.query import refuse_unknown_parameters
from app.wire.schemas import DistributionReply
from app.wire.uploads import uploaded_table, whole_body
from gaia_redshift.bundle import Bundle
from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.errors import Detail, InvalidRequestError, MalformedBodyError
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.media import JSON
from gaia_redshift.tables.densities import Sample, gather
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.table import Block, PlainTable, Table

router = APIRouter(tags=["predict"], dependencies=[Depends(refuse_unknown_parameters)])

Width = Annotated[float, Query(gt=0, le=1, description="Of the intervals of redshift, in whole bins")]

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY = {
    "required": True,
    "content": {JSON: {"schema": {"$ref": "#/components/schemas/PredictReply"}}, **dict.fromkeys(ACCEPTED, _BINARY)},
}


@router.post(
    "/nz",
    summary="The redshift distribution of a sample, from the densities of its galaxies",
    response_model=DistributionReply,
    responses={406: {"model": ErrorReply, "description": "JSON is not acceptable"}, **ERRORS},
    openapi_extra={"requestBody": _BODY},
)
async def distribution(
    request: Request,
    *,
    model: Annotated[
        str | None, Query(max_length=128, description="Model that made the densities, if the body does not say it")
    ] = None,
    prior: Annotated[
        PriorName | None, Query(description="Prior that they hold under, where the body does not say it")
    ] = None,
    width: Width = 0.05,
) -> Response:
    """Infer the redshift distribution of a whole sample, with errors by bootstrap.

    The body is a reply of `/predict` with `pdf`, as JSON or Arrow, or of `/predict/csv` or `/predict/table` with
    `pdf=true`. At least 200 galaxies are needed; rows without a density, and those flagged `out_of_distribution` or
    `stellar_like`, are left out. `n` is null where the sample does not constrain it.
    """
    settings: Settings = request.app.state.settings
    models: Models = request.app.state.models
    kind = media_type(request.headers)

    def find(name: str | None) -> Bundle:
        return models.get(name).bundle

    def read(table: Table) -> Sample:
        return gather(
            table, find, model=model, prior=prior, check_rows=lambda rows: refuse_many(rows, settings.max_pdf_rows)
        )

    if kind == JSON:
        body = await whole_body(request)
        bins = max((len(each.manifest.bin_edges or ()) for each in models), default=0)
        most = settings.max_spectra
        async with request.app.state.samples:
            async with request.app.state.large_bodies:
                table = await in_thread(lambda: _table_of(body, most, bins))
            content = await in_thread(lambda: _infer(read(table), width))
    else:
        async with uploaded_table(request, ACCEPTED) as file, request.app.state.samples:
            content = await in_thread(lambda: _infer(_read_file(file, kind, read), width))
    return Response(content, media_type=JSON)


def _read_file(file: Any, kind: str, read: Callable[[Table], Sample]) -> Sample:
    with ExitStack() as stack:
        return read(stack.enter_context(opened(file, media_type=kind)))


def _infer(sample: Sample, width: float) -> bytes:
    gathered = sample.likelihoods
    return answer(Distribution(sample.model, sample.prior, gathered.rows, gathered.infer()), width)


def answer(distribution: Distribution, width: float) -> bytes:
    """Return the reply: what was inferred of a sample, in intervals of redshift of some width."""
    found = distribution.found
    made = found.histogram(width)
    name, _, version = distribution.model.partition("@")
    reply = {
        "model": {"name": name, "version": version},
        "prior": distribution.prior,
        "galaxies": found.rows,
        "left_out": distribution.rows - found.rows,
        "redshift_mean": round(found.mean, 6) if found.constrained else None,
        "redshift_mean_error": round(found.mean_error, 6) if found.constrained else None,
        "intervals": [
            {"z_low": low, "z_high": high, "n": n, "error": error}
            for low, high, n, error in zip(
                made.edges[:-1].round(9).tolist(),
                made.edges[1:].round(9).tolist(),
                made.n.round(3).tolist(),
                made.error.round(3).tolist(),
                strict=True,
            )
        ],
        "bin_edges": found.edges,
        "pdf": found.probability / (found.edges[1:] - found.edges[:-1]),
    }
    return orjson.dumps(reply, option=orjson.OPT_SERIALIZE_NUMPY)


_KEYS, _HEAD = 16, 4096
"""Most keys of a prediction, and commas and the like of what stands before the predictions."""


def _table_of(body: bytes, max_rows: int, bins: int) -> Table:
    """Return a JSON reply of ``/predict`` as a table; raises MalformedBodyError, InvalidRequestError."""
    most = {ord("["): 3, ord("{"): 2, ord(":"): _KEYS, ord(","): bins + 2 * _KEYS}
    if holds_more(body, {mark: count * max_rows + _HEAD for mark, count in most.items()}):
        raise InvalidRequestError(
            f"the body holds more than {max_rows} predictions can: send a table instead, such as Parquet",
            [Detail("predictions", f"at most {max_rows} items")],
        )
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedBodyError(f"the body is not JSON: {error}") from None
    said: dict[str, str] = {}
    rows = document.get("predictions") if isinstance(document, dict) else None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InvalidRequestError(
            "the body is not a reply of /predict: it needs predictions, a list of objects with pdf",
            [Detail("predictions", "missing, or no list of objects")],
        )
    named, prior = document.get("model"), document.get("prior")
    if isinstance(named, dict) and {"name", "version"} <= named.keys():
        said["model"] = f"{named['name']}@{named['version']}"
    if isinstance(prior, str):
        said["prior"] = prior
    densities = [_density(row, number) for number, row in enumerate(rows)]
    words = ["|".join(map(str, flags)) if isinstance(flags := row.get("quality"), list) else "" for row in rows]
    batch = pyarrow.RecordBatch.from_arrays(
        [pyarrow.array(densities, pyarrow.list_(pyarrow.float64())), pyarrow.array(words, pyarrow.string())],
        ["pdf", "quality"],
    )

    def blocks(places: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        yield Block(batch.select(list(places)))

    return PlainTable("json", batch.schema, blocks, said, len(rows))


def _density(row: dict[str, Any], number: int) -> list[float] | None:
    values = row.get("pdf")
    if values is None:
        return None
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise InvalidRequestError(
            "a density is not a list of numbers", [Detail(f"predictions[{number}].pdf", "not a list of numbers")]
        )
    return values
