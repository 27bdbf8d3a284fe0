"""The command ``submit``: sends a table to a service as a job."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gaia_redshift.errors import Detail, InvalidInputError, RedshiftError, counted

if TYPE_CHECKING:
    from gaia_redshift.client import Client, Job

EXAMPLES = """
gaia-redshift submit spectra.parquet -o redshifts.parquet
gaia-redshift submit spectra.fits --url https://redshifts.example.org
gaia-redshift submit --ids my_galaxies.fits -o redshifts.fits
zcat spectra.csv.gz | gaia-redshift submit -
"""

Url = Annotated[str, typer.Option("--url", metavar="URL", envvar="GAIA_REDSHIFT_URL", help="Address of the service.")]
ApiKey = Annotated[
    str | None,
    typer.Option("--api-key", metavar="KEY", envvar="GAIA_REDSHIFT_API_KEY", help="API key, if the service needs one."),
]
URL = "http://127.0.0.1:8000"


def submit(
    table: Annotated[
        str | None,
        typer.Argument(
            metavar="IN",
            help="Table of spectra, as predict reads it, - for standard input; or an address that the service may "
            "fetch.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="Wait for the job and save the table with redshifts."),
    ] = None,
    *,
    ids: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Instead of IN: sources whose spectra the service fetches; a table with a column source_id, or a line "
            "for each id, - for standard input.",
        ),
    ] = None,
    url: Url = URL,
    api_key: ApiKey = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the job; on a terminal, show a progress bar.")] = False,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Name of a model of the service.")] = None,
    prior: Annotated[
        str,
        typer.Option(
            metavar="survey|flat|FILE.csv", help="Prior on redshift; a file has the columns redshift,density."
        ),
    ] = "survey",
    pdf: Annotated[bool, typer.Option("--pdf", help="Add the probability density (density models only).")] = False,
    snr: Annotated[bool, typer.Option("--snr", help="Add snr_bp and snr_rp.")] = False,
    unit: Annotated[
        str | None, typer.Option(metavar="per_sample|per_pixel", help="Unit of the fluxes, e-/s; per_sample if absent.")
    ] = None,
) -> None:
    """Send a table to a service as a job, which runs even if this computer is turned off; print the job's identifier.

    With --wait or -o, exits with 1 if some rows have no redshift.
    """
    from gaia_redshift.commands.fetch import listed, numbered
    from gaia_redshift.tables.prior import find_prior

    if (table is None) == (ids is None):
        raise InvalidInputError("give either a table of spectra or --ids")
    options: dict[str, Any] = {"model": model, "prior": find_prior(prior), "pdf": pdf, "unit": unit}
    if snr:
        options["snr"] = True
    if output is not None and output.name.lower().endswith(".qp.fits"):
        options["format"] = "qp"
    if output is not None:
        check_name(output)
    given: Any = table if ids is None else [one for one in numbered(listed(ids)) if one is not None]
    with connected(url, api_key) as client:
        job = client.submit(sys.stdin.buffer if given == "-" else given, **options)
        typer.echo(job.id)
        if output is not None or wait:
            finish(job, output)
        else:
            typer.echo(f"to fetch the result: gaia-redshift jobs {job.id} -o OUT", err=True)


@contextmanager
def connected(url: str, api_key: str | None) -> Iterator["Client"]:
    """Yield a client; its exceptions become errors of the command."""
    from gaia_redshift.client import Client, ServiceError

    try:
        with Client(url, api_key=api_key) as client:
            yield client
    except ServiceError as error:
        details = [Detail(one["at"], one["message"]) for one in error.details]
        raise RedshiftError(error.message, details) from None
    except ValueError as error:
        raise RedshiftError(str(error)) from None
    except OSError as error:
        raise RedshiftError(f"{error.filename}: {error.strerror or error}") from None


def check_name(output: Path) -> None:
    """Raise RedshiftError if the output could not be written when the job is done."""
    from gaia_redshift.tables.formats import format_to_write

    format_to_write(output.name)
    if not output.parent.is_dir():
        raise RedshiftError(f"{output} cannot be written: there is no folder {output.parent}")


def finish(job: "Job", output: Path | None) -> None:
    """Wait for a job, save its table and print a summary; exits with 1 if some rows have no redshift."""
    job.wait()
    if output is not None:
        job.result(output)
    progress = job.description.progress
    done = counted(progress.rows_done, "spectrum", "spectra")
    where = "" if output is None else f" -> {output}"
    typer.echo(f"{done}, {progress.rows_failed} without a redshift{where}", err=True)
    if progress.rows_failed:
        raise typer.Exit(1)
