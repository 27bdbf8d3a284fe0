"""The command ``jobs``: lists, fetches and deletes jobs of a service."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gaia_redshift.commands.submit import URL, ApiKey, Url, check_name, connected, finish
from gaia_redshift.errors import RedshiftError

if TYPE_CHECKING:
    from gaia_redshift.client import Job

EXAMPLES = """
gaia-redshift jobs
gaia-redshift jobs c87e9af6f65adab5800641e6 -o redshifts.fits
gaia-redshift jobs c87e9af6f65adab5800641e6 --delete
gaia-redshift submit spectra.fits | gaia-redshift jobs - -o redshifts.fits
"""


def jobs(
    job_id: Annotated[
        str | None,
        typer.Argument(metavar="ID", help="One job, - for one that standard input names; all of yours if absent."),
    ] = None,
    *,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="Wait for the job and save the table with redshifts."),
    ] = None,
    abort: Annotated[bool, typer.Option("--abort", help="End the job.")] = False,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the job and its files.")] = False,
    url: Url = URL,
    api_key: ApiKey = None,
) -> None:
    """List your jobs at a service, or one job: identifier, phase, rows done and rows in total, time of creation.

    With -o, exits with 1 if some rows have no redshift.
    """
    wishes = abort + delete + (output is not None)
    if wishes > 1:
        raise RedshiftError("give only one of --abort, --delete and -o")
    if wishes and job_id is None:
        raise RedshiftError("give the job's ID: gaia-redshift jobs ID; without an ID all jobs are listed")
    if output is not None:
        check_name(output)
    if job_id == "-" and not (job_id := sys.stdin.readline().strip()):
        raise RedshiftError("standard input names no job: give what gaia-redshift submit printed")
    with connected(url, api_key) as client:
        if job_id is None:
            for one in client.jobs():
                typer.echo(_line(one))
            return
        job = client.job(job_id)
        if output is not None:
            finish(job, output)
        elif delete:
            job.delete()
        else:
            typer.echo(_line(job.abort() if abort else job))
            if (error := job.description.error) is not None:
                typer.echo(f"{error.code}: {error.message}", err=True)


def _line(job: "Job") -> str:
    about = job.description
    total = "?" if about.progress.rows_total is None else about.progress.rows_total
    return f"{job.id}  {about.phase:9}  {about.progress.rows_done}/{total}  {about.creation_time}"
