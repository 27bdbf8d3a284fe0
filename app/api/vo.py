"""``/availability``, ``/capabilities`` and ``/tables``: what IVOA's VOSI 1.1 asks of a service."""

import asyncio
from datetime import UTC, datetime

import pyarrow
from fastapi import APIRouter, Request, Response

from app.api.jobs import XML
from app.serving.registry import Models
from app.settings import Settings
from app.wire import vosi
from gaia_redshift.spectra import FLUX_UNIT
from gaia_redshift.tables.answers import answer_schema
from gaia_redshift.tables.identifiers import source_id_field
from gaia_redshift.tables.table import described

router = APIRouter(
    tags=["virtual observatory"], default_response_class=Response, responses={200: {"content": {XML: {}}}}
)


@router.get("/availability", summary="Does the service predict? (VOSI)")
async def get_availability(request: Request) -> Response:
    """Say whether the service predicts and since when, always with 200; `/health/ready` says it by the status."""
    state = request.app.state
    if state.ready:
        models: Models = state.models
        notes = [f"models: {', '.join(model.manifest.id for model in models)}"]
    else:
        notes = ["the service is starting up or shutting down"]
    since = None if state.ready_since is None else datetime.fromtimestamp(state.ready_since, UTC)
    content = await asyncio.to_thread(vosi.write_availability, available=state.ready, up_since=since, notes=notes)
    return Response(content, media_type=XML)


@router.get("/capabilities", summary="What does it offer, and where? (VOSI)")
async def get_capabilities(request: Request) -> Response:
    """List the addresses of VOSI, of predictions, and of jobs where the service keeps them."""
    settings: Settings = request.app.state.settings
    offers = [*vosi.VOSI, vosi.PREDICT, *([vosi.JOBS] if settings.jobs_folder is not None else [])]
    content = await asyncio.to_thread(vosi.write_capabilities, str(request.base_url), offers)
    return Response(content, media_type=XML)


@router.get("/tables", summary="Which columns does it read and answer? (VOSI)")
async def get_tables(request: Request) -> Response:
    """Describe the columns of a table of spectra, for the default model, and those that an answer adds to it."""
    models: Models = request.app.state.models
    default = models.default
    lengths = default.bundle.grid.lengths
    texts = {name: f"{' or '.join(map(str, lengths[name]))} fluxes in {FLUX_UNIT}" for name in lengths}
    spectra = pyarrow.schema(
        [
            source_id_field(),
            *(
                described(name, pyarrow.list_(pyarrow.float64()), "electron/s", text, "phot.flux")
                for name, text in texts.items()
            ),
        ]
    )
    bins = 0 if default.bundle.bins is None else len(default.bundle.bins.widths)
    tables = {
        "spectra": ("Spectra as arrays; other forms, such as XP_CONTINUOUS of the archive, are in the guide", spectra),
        "redshifts": ("What an answer adds to the other columns of a table", answer_schema(None, bins)),
    }
    return Response(await asyncio.to_thread(vosi.write_tables, tables), media_type=XML)
