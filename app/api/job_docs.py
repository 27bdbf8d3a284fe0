"""The OpenAPI documentation of jobs: the errors of every route, and how to send a job."""

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
        400: "The body does not match its Content-Type",
        401: "An API key is needed",
        403: "Jobs are off in this service, or the service may not fetch the URL or read the file",
        404: "There is no such job, model, row or result",
        406: "Neither XML nor JSON is acceptable",
        408: "The body arrives too slowly",
        409: "The request is not possible in the job's phase",
        413: "The table is too large",
        415: "The Content-Type is not supported",
        422: "A parameter is wrong; details name it, and say what is needed",
        429: "Too many jobs or requests are waiting; try again after Retry-After seconds",
        503: "The jobs' database does not answer, or the disk is full",
    }.items()
}

JOB: dict[int | str, dict[str, Any]] = {
    200: {"model": JobReply, "description": "The job, as XML by UWS or as JSON", "content": _XML},
}
"""Responses with a job's description."""

SEE_JOB: dict[int | str, dict[str, Any]] = {
    **JOB,
    303: {"description": "Redirect to the job, for clients that accept XML"},
}
"""Responses that redirect to a job."""

NEW_JOB: dict[int | str, dict[str, Any]] = {
    201: {"model": JobReply, "description": "The new job, for clients that prefer JSON"},
    303: {"description": "See the new job"},
}

TEXT: dict[int | str, dict[str, Any]] = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}

_OPTIONS = JobOptions.model_json_schema(ref_template="#/components/schemas/{model}")
_PRIOR = {"anyOf": [{"enum": ["survey", "flat"]}, {"$ref": "#/components/schemas/PriorTable"}], "default": "survey"}
_PROPERTIES = {**_OPTIONS["properties"], "prior": _PRIOR}
_FILE = {"type": "string", "format": "binary"}
_OBJECT = {"type": "object", "additionalProperties": False}

TABLES: dict[str, Any] = {kind: {"schema": _FILE} for kind in ACCEPTED}
TABLE: dict[int | str, dict[str, Any]] = {200: {"description": "The table with redshifts", "content": TABLES}}

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
    """Return the OpenAPI request body of a route with form parameters; a single one is required, and may be an enum."""
    schema: dict[str, Any] = {"type": "string", **({"enum": list(values)} if values else {})}
    needed = {"required": list(names)} if len(names) == 1 else {}
    body = {"schema": {**_OBJECT, **needed, "properties": dict.fromkeys(names, schema)}}
    return {"requestBody": {"required": bool(needed), "content": {FORM: body, JSON: body}}}


def query(**names: str) -> dict[str, Any]:
    """Return the OpenAPI parameters of a route with UWS query parameters, by name and description."""
    known = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}, "description": text}
        for name, text in names.items()
    ]
    return {"parameters": known}
