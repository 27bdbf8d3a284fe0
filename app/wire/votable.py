"""Errors as VOTable, for whoever asked for VOTable. Imports `uploads`, `job_options` and the library's writer."""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.types import Scope

from app.errors import NotAcceptableError
from app.wire.job_options import canonical, read_format
from app.wire.uploads import negotiate
from gaia_redshift.errors import MAX_BYTES
from gaia_redshift.media import JSON
from gaia_redshift.tables.writers.votable import error_document

VOTABLE = "application/x-votable+xml"


def wants_votable(scope: Scope) -> bool:
    """Return whether a request asks for VOTable: by ``format`` or ``RESPONSEFORMAT``, else by Accept."""
    request = Request(scope)
    for name, value in request.query_params.multi_items():
        if canonical(name) == "format":
            return bool(read_format(value) == "votable")
    try:
        return negotiate(request, (JSON, VOTABLE)) == VOTABLE
    except NotAcceptableError:
        return False


def write_error(body: Mapping[str, Any]) -> bytes:
    """Return an error as a VOTable: the message as DALI has it, the code and each detail as an INFO element.

    Parameters
    ----------
    body : mapping
        The error in the one shape, ``{"error": {"code", "message", "details"}}``. The last details are left out where
        the document would be longer than `MAX_BYTES`.
    """
    error = body["error"]
    notes = [("code", error["code"])]
    notes += [("detail", f"{one['at']}: {one['message']}") for one in error["details"]]
    while len(document := error_document(error["message"], notes)) > MAX_BYTES and len(notes) > 1:
        notes.pop()
    return document
