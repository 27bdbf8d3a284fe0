"""Running an ADQL query at the archive's TAP service. Imports its neighbours."""

import io
import time
from collections.abc import Callable

import pyarrow

from gaia_redshift.archive.datalink import whole
from gaia_redshift.archive.web import ArchiveError, Web
from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.formats import opened

TAP = "https://gea.esac.esa.int/tap-server/tap"
_LONGEST_SECONDS = 3600.0
_POLL_SECONDS = 2.0


def query(
    adql: str,
    url: str = TAP,
    *,
    web: Web | None = None,
    poll_seconds: float = _POLL_SECONDS,
    wait: Callable[[float], None] = time.sleep,
) -> pyarrow.Table:
    """Return the result of a query, run as an asynchronous job (IVOA TAP 1.1, UWS 1.1).

    Raises
    ------
    ArchiveError
        If the service refuses the query, fails, or takes longer than an hour.
    """
    client = web or Web()
    try:
        content = _result(client, adql, url, poll_seconds, wait)
    finally:
        if web is None:
            client.close()
    try:
        with opened(io.BytesIO(content), "result.vot") as table:
            return whole(table)
    except (InvalidTableError, MalformedBodyError) as error:
        raise ArchiveError(f"the query's result is not a table that can be read: {error}") from error


def _result(client: Web, adql: str, url: str, poll_seconds: float, wait: Callable[[float], None]) -> bytes:
    form = {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "votable", "QUERY": adql, "PHASE": "RUN"}
    job = str(client.send("POST", f"{url.rstrip('/')}/async", form).request.url)
    waited = 0.0
    if client.send("GET", f"{job}/phase").text.strip().upper() == "PENDING":
        # Not every service starts a job that is created with PHASE=RUN: DaCHS 2.7 does not.
        client.send("POST", f"{job}/phase", {"PHASE": "RUN"})
    while (phase := client.send("GET", f"{job}/phase").text.strip().upper()) != "COMPLETED":
        if phase in {"ERROR", "ABORTED", "HELD"}:
            raise ArchiveError(f"the query failed: {_why(client, job)}")
        if waited > _LONGEST_SECONDS:
            raise ArchiveError(f"the query did not finish within {_LONGEST_SECONDS:.0f} s: see {job}")
        wait(poll_seconds)
        waited += poll_seconds
    return client.send("GET", f"{job}/results/result").content


def _why(client: Web, job: str) -> str:
    try:
        return " ".join(client.send("GET", f"{job}/error").text.split())[:500]
    except ArchiveError as error:
        return error.message
