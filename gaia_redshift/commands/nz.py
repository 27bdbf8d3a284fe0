"""The command ``nz``. Importing this loads no network runtime, and running it needs none."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle, find_bundle
from gaia_redshift.commands import options
from gaia_redshift.commands.streams import named, open_input, replacing
from gaia_redshift.errors import InvalidInputError, counted

EXAMPLES = """
gaia-redshift predict spectra.fits -o densities.fits --pdf --prior flat
gaia-redshift nz densities.fits -o nz.csv
gaia-redshift nz densities.csv -o nz.ecsv --prior flat --width 0.02
gaia-redshift nz densities.parquet -o nz.qp.fits
"""


def nz(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS", help="Output of predict --pdf for all galaxies of the sample; - for standard input."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Table to write: .csv, .ecsv, .fits, .vot, .parquet, .arrow or .jsonl; .qp.fits for the density and "
            "its bootstrap samples, for qp; - writes CSV to standard output.",
        ),
    ],
    *,
    width: Annotated[
        float, typer.Option("--width", metavar="DZ", help="Width of the redshift intervals; rounded to whole bins.")
    ] = 0.05,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="Model that made the densities, if the table does not say it."),
    ] = None,
    prior: Annotated[
        str | None,
        typer.Option(metavar="survey|flat|FILE.csv", help="Prior of the densities, if the table does not say it."),
    ] = None,
    models: options.Models = SHIPPED_MODELS,
    public_key: options.PublicKey = None,
) -> None:
    """Infer the redshift distribution of a whole sample from the densities of its galaxies.

    OUT has a row for each redshift interval: z_low, z_high, n (galaxies) and error (of n, by bootstrap). n is empty
    where the sample does not constrain it. Rows without a density, and rows flagged out_of_distribution or
    stellar_like, are left out. At least 200 galaxies are needed.
    """
    from gaia_redshift.tables.densities import distribution_table, ensemble, gather, summary
    from gaia_redshift.tables.formats import QP, format_to_write, opened
    from gaia_redshift.tables.prior import find_prior

    written = format_to_write(named(output).name)
    if not 0 < width <= 1:
        raise InvalidInputError(f"--width must be more than 0 and at most 1, not {width:g}")
    known = None if prior is None else find_prior(prior)

    def find(name: str | None) -> Bundle:
        return find_bundle(name or "default", models, public_key)

    with open_input(predictions) as source, opened(source, named(predictions).name) as table:
        sample = gather(table, find, model=model, prior=known)
    found = sample.likelihoods.infer()
    about = {"model": sample.model, "prior": sample.prior}
    with replacing(output) as file:
        if written is QP:
            rows, told = ensemble(found, about)
        else:
            rows, told = distribution_table(found, width, about), {**about, **summary(found)}
        writer = written.writer(file, told)
        writer.write(rows)
        writer.close()
    gathered = sample.likelihoods
    left = gathered.without + gathered.no_galaxies
    mean = (
        f"mean redshift {found.mean:.4f} +- {found.mean_error:.4f}"
        if found.constrained
        else "the sample does not constrain its redshifts"
    )
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    say(
        f"{counted(found.rows, 'galaxy', 'galaxies')}, {left} left out, by {sample.model} under the prior "
        f"{sample.prior}: {mean} -> {output}",
        markup=False,
    )
