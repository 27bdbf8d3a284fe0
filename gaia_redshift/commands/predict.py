"""The command ``predict``. Importing this loads no network runtime."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands import options
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.interpretation.result import Asked
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.files import replacing
from gaia_redshift.tables.formats import format_to_write, opened, settle
from gaia_redshift.tables.prior import find_prior
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import check_readable, read_spectra


def predict(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="Table of spectra: CSV, ECSV, FITS, VOTable, Parquet, Arrow, JSON lines or NumPy, perhaps packed.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Where to write the table with the redshifts: .csv, .ecsv, .fits, .vot, .parquet, .arrow or .jsonl.",
        ),
    ],
    *,
    model: options.Model = "default",
    prior: Annotated[
        str,
        typer.Option(
            metavar="survey|flat|FILE.csv",
            help="Prior on redshift; a file has the columns redshift,density. Density models only, but for survey.",
        ),
    ] = "survey",
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Add the probability density: an array, in CSV pdf_0.. (density models only).")
    ] = False,
    snr: Annotated[
        bool,
        typer.Option(
            "--snr", help="Add snr_bp and snr_rp, from the errors and correlations of the archive's coefficients."
        ),
    ] = False,
    models: options.Models = SHIPPED_MODELS,
    engine: options.Engine = "auto",
    threads: options.Threads = None,
    public_key: options.PublicKey = None,
) -> None:
    """Predict every spectrum of a table. Exits with 1 if some rows had to be left without a redshift."""
    from gaia_redshift.predictor import Predictor

    written = format_to_write(output.name)
    asked = Asked(find_prior(prior), pdf)
    chosen = Predictor(model, models=models, engine=engine, threads=threads, public_key=public_key)
    chosen.check(asked)
    rows = failed = 0
    about = chosen.about(asked)
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    with _open_input(table) as source, opened(source, table.name) as content, replacing(output) as target:
        found = recognise(content, chosen.bundle.grid)
        say(f"{table.name}: {found.sentence}", markup=False)
        check_readable(found, chosen.bundle.grid, chosen.manifest.id)
        settle(content, found, written)
        writer = written.writer(target, about)
        for batch in _ahead(read_spectra(content, found, carry=True, errors=snr)):
            predictions = chosen.predict(batch, asked)
            writer.write(beside(batch.carried, predictions, about))
            rows += len(predictions)
            failed += len(predictions.problems)
        writer.close()
    spectra = "1 spectrum" if rows == 1 else f"{rows} spectra"
    say(f"{spectra}, {failed} without a redshift, by {chosen.manifest.name} {chosen.manifest.version} -> {output}")
    if failed:
        raise typer.Exit(1)


def _ahead(blocks: Iterator[SpectrumBatch]) -> Iterator[SpectrumBatch]:
    """Read the next block in a thread while the network works on this one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader") as thread:
        coming = thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            yield block


@contextmanager
def _open_input(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, with a progress bar over its bytes on a terminal."""
    console = Console(stderr=True)
    progress = Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from error
    with file, progress, progress.wrap_file(file, path.stat().st_size, description=path.name) as watched:
        yield file if progress.disable else watched
