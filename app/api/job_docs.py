"""What the OpenAPI document says of jobs: the errors of every route, and how a job is sent."""

from typing import Any

from app.api.tables import ACCEPTED
from app.wire.fields import FORM, MULTIPART
from app.wire.job_options import JobOptions
from gaia_redshift.client.job_messages import JobReply
from gaia_redshift.client.messages import ErrorReply
from gaia_redshift.media import JSON

_XML = {"text/xml": {"schema": {"type": "string"}}}

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorReply, "description": text}
    for status, text in {
        400: "The body is not what its Content-Type says",
        401: "An API key is needed",
        403: "The service keeps no jobs, or may not call an address or read a file that is named",
        404: "There is no such job, model, row or result",
        406: "Neither XML nor JSON is acceptable",
        408: "The body arrives too slowly",
        409: "What is asked does not belong to the job's phase",
        413: "The table is too large",
        415: "The Content-Type is not supported",
        422: "A parameter is wrong; details name it",
        429: "Too many jobs, or too much work waits; try again after Retry-After seconds",
        503: "The database of the jobs, or the disk, is not there for them now",
    }.items()
}

JOB: dict[int | str, dict[str, Any]] = {
    200: {"model": JobReply, "description": "The job, as XML by UWS or as JSON", "content": _XML},
}
"""What describes a job."""

SEE_JOB: dict[int | str, dict[str, Any]] = {**JOB, 303: {"description": "See the job, for who takes XML"}}
"""What leads to a job."""

NEW_JOB: dict[int | str, dict[str, Any]] = {
    201: {"model": JobReply, "description": "The new job, for who wants JSON"},
    303: {"description": "See the new job"},
}

TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

_OPTIONS = JobOptions.model_json_schema(ref_template="#/components/schemas/{model}")
_PRIOR = {"anyOf": [{"enum": ["survey", "flat"]}, {"$ref": "#/components/schemas/PriorTable"}], "default": "survey"}
_PROPERTIES = {**_OPTIONS["properties"], "prior": _PRIOR}
_FILE = {"type": "string", "format": "binary"}
_OBJECT = {"type": "object", "additionalProperties": False}

TABLES: dict[str, Any] = {kind: {"schema": _FILE} for kind in ACCEPTED}
TABLE: dict[int | str, dict[str, Any]] = {200: {"description": "The table with redshifts in it", "content": TABLES}}

CREATE: dict[str, Any] = {
    "requestBody": {
        "content": {
            MULTIPART: {"schema": {**_OBJECT, "required": ["file"], "properties": {"file": _FILE, **_PROPERTIES}}},
            JSON: {"schema": {**_OBJECT, "properties": _PROPERTIES}},
            FORM: {"schema": {**_OBJECT, "properties": _PROPERTIES}},
            **TABLES,
        }
    }
}


def form(*names: str, values: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a route says that takes parameters in a form; one alone is needed, and may be one of some values."""
    schema: dict[str, Any] = {"type": "string", **({"enum": list(values)} if values else {})}
    needed = {"required": list(names)} if len(names) == 1 else {}
    body = {"schema": {**_OBJECT, **needed, "properties": dict.fromkeys(names, schema)}}
    return {"requestBody": {"required": bool(needed), "content": {FORM: body, JSON: body}}}


def query(**names: str) -> dict[str, Any]:
    """Return what a route says that takes parameters of UWS, each with what it means."""
    known = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": text}
        for name, text in names.items()
    ]
    return {"parameters": known}
