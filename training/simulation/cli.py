"""``gaia-redshift simulate``. Importing this loads no numerical library: the work does."""

import os
import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from gaia_redshift.errors import InvalidInputError, counted
from training.data.kinds import KINDS, Kind

LARGEST_COUNT = 100_000_000

EXAMPLES = """
gaia-redshift simulate -n 10000 --seed 1 -o galaxies.parquet
gaia-redshift simulate -n 1000 --kind star --kind quasar -o others.parquet
gaia-redshift simulate -n 100 -o xp_continuous.csv
"""


def simulate(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="File to write: .csv (z,flux_0..flux_185), .parquet, or xp_continuous.csv as Gaia's archive has it.",
        ),
    ],
    *,
    count: Annotated[int, typer.Option("--count", "-n", help="How many spectra.")] = 10_000,
    seed: Annotated[int, typer.Option("--seed", help="One seed gives one dataset, whatever --workers is.")] = 1,
    redshift: Annotated[
        Literal["survey", "uniform"],
        typer.Option("--redshift", help="Redshifts as in the real survey, or uniform from 0 to 0.6."),
    ] = "survey",
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="|".join(KINDS), help="What to simulate, repeatable; galaxies by default."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes to use; by default one per processor.")
    ] = None,
) -> None:
    """Simulate Gaia BP/RP spectra of galaxies, and of what is not one."""
    if not 1 <= count <= LARGEST_COUNT:
        raise InvalidInputError(f"--count must be from 1 to {LARGEST_COUNT}, not {count}")
    if seed < 0:
        raise InvalidInputError(f"--seed must not be negative, and is {seed}")
    processes = len(os.sched_getaffinity(0)) if workers is None else workers
    if processes < 1:
        raise InvalidInputError(f"--workers must be at least 1, not {processes}")
    from rich.console import Console
    from rich.progress import Progress

    from training.simulation import archive, dataset, files

    files.check(output)
    kinds: tuple[Kind, ...] = tuple(map(_known, dict.fromkeys(kind))) if kind else ("galaxy",)
    recipe = dataset.Recipe(count, seed, redshift, kinds, coefficients=archive.is_archive(output))
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=count)
        blocks = dataset.simulate(recipe, processes)
        files.write(blocks, recipe, output, lambda rows: progress.advance(task, rows))
    typer.echo(f"wrote {counted(count, 'spectrum', 'spectra')} to {output}", err=True)


def _known(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise InvalidInputError(f"--kind must be one of {', '.join(KINDS)}, not {name!r}")
