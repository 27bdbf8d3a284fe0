"""``gaia-redshift simulate``. Importing this loads no numerical library: the work does."""

import enum
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from gaia_redshift.errors import InvalidInputError, counted

LARGEST_COUNT = 100_000_000


class Distribution(enum.StrEnum):
    """How redshifts are distributed from 0 to 0.6."""

    survey = "survey"
    uniform = "uniform"


class Kind(enum.StrEnum):
    """What to simulate; the names are those of `contaminants.KINDS`."""

    galaxy = "galaxy"
    star = "star"
    quasar = "quasar"
    sky = "sky"
    blend = "blend"


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
        Distribution,
        typer.Option("--redshift", help="Redshifts as in the real survey, or uniform from 0 to 0.6."),
    ] = Distribution.survey,
    kind: Annotated[
        list[Kind] | None, typer.Option("--kind", help="What to simulate, repeatable; galaxies by default.")
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

    from training.simulation import archive, contaminants, dataset, files

    files.check(output)
    kinds: tuple[contaminants.Kind, ...] = tuple(dict.fromkeys(one.value for one in kind)) if kind else ("galaxy",)
    recipe = dataset.Recipe(count, seed, redshift.value, kinds, coefficients=archive.is_archive(output))
    console = Console(stderr=True)
    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=count)
        blocks = dataset.simulate(recipe, processes)
        files.write(blocks, recipe, output, lambda rows: progress.advance(task, rows))
    typer.echo(f"wrote {counted(count, 'spectrum', 'spectra')} to {output}", err=True)
