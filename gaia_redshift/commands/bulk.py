"""The commands ``bulk`` and ``convert``: many files, each of which becomes one Parquet file."""

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands import options
from gaia_redshift.commands.predict import find_unit_option
from gaia_redshift.errors import InvalidInputError, counted
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.tables.prior import find_prior

if TYPE_CHECKING:
    from gaia_redshift.bulk.job import Task
    from gaia_redshift.bulk.outcome import Outcome
    from gaia_redshift.bulk.plan import Job
    from gaia_redshift.bulk.run import Engine, Run

EXAMPLES = """
gaia-redshift bulk XpContinuousMeanSpectrum redshifts
gaia-redshift bulk 'spectra/*.parquet' redshifts --pdf --prior flat
gaia-redshift bulk s3://survey/xp s3://survey/redshifts --shard $SLURM_ARRAY_TASK_ID/100
gaia-redshift bulk spectra redshifts --dask tcp://scheduler:8786
gaia-redshift convert XpContinuousMeanSpectrum coefficients
"""

_SHOWN = 20

Places = Annotated[
    list[str],
    typer.Argument(metavar="INPUT... OUTPUT_DIR", help="Files, folders or patterns, then the folder for the results."),
]
Processes = Annotated[
    int | None, typer.Option(min=1, help="Processes on this machine, one core each; all cores if absent.")
]
ShardOption = Annotated[
    str | None, typer.Option("--shard", metavar="I/N", help="Only every N-th file, starting with I (0 to N - 1).")
]
Dask = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler.")]
Ray = Annotated[str | None, typer.Option(metavar="ADDRESS", help="Run as tasks of this Ray cluster.")]


def bulk(
    places: Places,
    *,
    model: options.Model = "default",
    prior: Annotated[
        str, typer.Option(metavar="survey|flat|FILE.csv", help="Prior on redshift, as for predict.")
    ] = "survey",
    pdf: Annotated[bool, typer.Option("--pdf", help="Add the probability density (density models only).")] = False,
    unit: Annotated[str, typer.Option(metavar="per_sample|per_pixel", help="Unit of the fluxes, e-/s.")] = "per_sample",
    keep: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN", help="Input column to keep besides source_id; repeatable.")
    ] = None,
    processes: Processes = None,
    shard: ShardOption = None,
    dask: Dask = None,
    ray: Ray = None,
    models: options.Models = SHIPPED_MODELS,
    engine: options.Engine = "auto",
    public_key: options.PublicKey = None,
) -> None:
    """Predict every spectrum of many files; each becomes a Parquet file of the same name in OUTPUT_DIR.

    An output appears only when it is complete, and records its input and settings in its metadata, so running the
    same command again does only what is missing. manifest.json lists the files, rows and failures; summary.html shows
    them. Inputs and OUTPUT_DIR may be URLs, such as s3://bucket/folder. Exits with 1 if a file failed or a row has no
    redshift.
    """
    from gaia_redshift.bulk.predicting import Predicting
    from gaia_redshift.predictor import Predictor

    asked = AnswerOptions(find_prior(prior), pdf)
    chosen = Predictor(model, models=models, engine=engine, threads=1, public_key=public_key)
    task = Predicting.by(chosen, asked, find_unit_option(unit), tuple(keep or ()))
    del chosen
    _run(task, places, _engine(processes, dask, ray), shard)


def convert(
    places: Places,
    *,
    processes: Processes = None,
    shard: ShardOption = None,
    dask: Dask = None,
    ray: Ray = None,
) -> None:
    """Convert files of Gaia's archive to Parquet files of source_id and float32 coefficients, for bulk.

    The result has a fortieth of the size and is read much faster. Restarts, URLs and exit codes are as for bulk.
    """
    from gaia_redshift.bulk.converting import Converting

    _run(Converting(), places, _engine(processes, dask, ray), shard)


def _engine(processes: int | None, dask: str | None, ray: str | None) -> "Engine":
    from gaia_redshift.bulk import clusters, local
    from gaia_redshift.engine import available_cores

    if sum(value is not None for value in (processes, dask, ray)) > 1:
        raise InvalidInputError("give only one of --processes, --dask and --ray")
    if dask is not None:
        return partial(clusters.run_on_dask, address=dask)
    if ray is not None:
        return partial(clusters.run_on_ray, address=ray)
    return partial(local.run_here, processes=processes or available_cores())


def _run(task: "Task", places: Sequence[str], engine: "Engine", shard: str | None) -> None:
    from gaia_redshift.bulk.plan import find_shard
    from gaia_redshift.bulk.run import run

    if len(places) < 2:
        raise InvalidInputError("give at least one input, then the folder for the results")
    *inputs, output = places
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        shown = _Shown(progress, console)
        made = run(
            task, inputs, output, engine, shard=None if shard is None else find_shard(shard), begun=shown.begin,
            done=shown.advance,
        )  # fmt: skip
    _report(made, output, console.print)
    if made.unwritten:
        console.print(f"the manifest could not be written: {made.unwritten}", markup=False)
    if made.failures or made.failed_rows or made.unwritten:
        raise typer.Exit(1)


class _Shown:
    """The progress bar. It counts bytes, since file sizes are known before the files are read."""

    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress, self._console = progress, console
        self._rows = 0

    def begin(self, run: "Run") -> None:
        """Show the number of files to do."""
        todo = [job for job in run.jobs if job.name not in run.earlier]
        if run.swept:
            self._console.print(f"removed {counted(run.swept, 'unfinished file', 'unfinished files')} of a killed run")
        self._files = len(todo)
        total = sum(job.source.size for job in todo)
        self._task = self._progress.add_task(f"0 of {self._files} files", total=total, rate="")

    def advance(self, job: "Job", outcome: "Outcome") -> None:
        """Count a finished file."""
        self._rows += outcome.rows
        self._files -= 1
        elapsed = self._progress.tasks[0].elapsed or 0
        rate = f"{self._rows / elapsed:,.0f} rows/s" if elapsed else ""
        self._progress.update(
            self._task, advance=job.source.size, rate=rate, description=f"{counted(self._files, 'file', 'files')} to go"
        )


def _report(made: "Run", output: str, say: Callable[..., None]) -> None:
    done = len(made.outcomes) - len(made.failures)
    earlier = f", {len(made.earlier)} of them by earlier runs" if made.earlier else ""
    say(
        f"{done} of {counted(len(made.jobs), 'file', 'files')}{earlier}: {counted(made.rows, 'row', 'rows')}, "
        f"{made.failed_rows} without a result -> {output}",
        markup=False,
    )
    for line in _failed(made):
        say(line, markup=False)


def _failed(made: "Run") -> Iterator[str]:
    for job, failure in made.failures[:_SHOWN]:
        yield f"failed: {job.source.name}: {failure.code}: {failure.message}"
    if len(made.failures) > _SHOWN:
        yield f"... and {len(made.failures) - _SHOWN} more: see manifest.json"
