"""The commands ``serve``, ``predict``, ``models`` and ``key``. Importing this loads no network runtime."""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from app.bundle import Bundle, discover
from app.errors import Detail, InvalidInputError, RedshiftError
from app.settings import Settings
from app.spectra import SpectrumBatch

_ModelOption = Annotated[str | None, typer.Option("--model", "-m", help="Name of a bundle; the default one if absent.")]
_ModelsOption = Annotated[Path | None, typer.Option("--models", help="Folder of the model bundles.")]


def _settings(**chosen: Any) -> Settings:
    """Return the settings of the environment, with what the command line chose on top."""
    try:
        return Settings(**{name: value for name, value in chosen.items() if value is not None})
    except ValidationError as error:
        details = [
            Detail(f"GAIA_REDSHIFT_{str(problem['loc'][0]).upper()}", problem["msg"]) for problem in error.errors()
        ]
        raise InvalidInputError("a setting is wrong", details) from error


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 8000 by default.")] = None,
    models: _ModelsOption = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve; 1 by default.")] = None,
) -> None:
    """Start the service; every setting is an environment variable (docs/reference/settings.md)."""
    from app import server

    settings = _settings(host=host, port=port, models=models, workers=workers)
    for folder in discover(settings.models):
        Bundle(folder, settings.bundle_public_key)  # an altered bundle is refused in one line, before a server stands
    server.serve(settings)


def key(
    name: Annotated[str, typer.Argument(help="Whose key it is; the log names it.")],
) -> None:
    """Make an API key: the key for its user, its hash for GAIA_REDSHIFT_API_KEYS or GAIA_REDSHIFT_ADMIN_KEYS."""
    from app.security import make_key

    secret, digest = make_key()
    typer.echo(f"key, shown only now: {secret}", err=True)
    typer.echo(json.dumps({name: digest}))


def predict(
    table: Annotated[Path, typer.Argument(metavar="IN", help="Table of spectra, .csv or .parquet.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Where to write the redshifts, .csv or .parquet.")
    ],
    *,
    model: _ModelOption = None,
    prior: Annotated[
        str,
        typer.Option(
            metavar="survey|flat|FILE.csv",
            help="Prior on redshift; a file has the columns redshift,density. Density models only, but for survey.",
        ),
    ] = "survey",
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Add the probability density as columns pdf_0.. (density models only).")
    ] = False,
    models: _ModelsOption = None,
) -> None:
    """Predict every spectrum of a table. Exits with 1 if some rows had to be left without a redshift."""
    from app.model import Models
    from app.redshift import Asked
    from app.tables import files
    from app.tables.prior import find_prior

    files.check_format(output)
    read = files.reader(table)
    asked = Asked(find_prior(prior), pdf)
    chosen = Models(_settings(models=models)).get(model)
    chosen.check(asked)
    rows = failed = 0
    with _open_input(table) as source, _replacing(output) as target:
        writer = files.writer(output, target, chosen.about(asked))
        for batch in _ahead(read(source)):
            predictions = chosen.predict(batch, asked)
            writer.write(predictions)
            rows += len(predictions)
            failed += len(predictions.problems)
        writer.close()
    spectra = "1 spectrum" if rows == 1 else f"{rows} spectra"
    Console(stderr=True, highlight=False).print(
        f"{spectra}, {failed} without a redshift, by {chosen.manifest.name} {chosen.manifest.version} -> {output}"
    )
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
        yield watched


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write beside `path` and move it there at the end, so that a failure never leaves half a table."""
    part = path.with_name(path.name + ".part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def models(models: _ModelsOption = None) -> None:
    """List the model bundles and check their hashes."""
    settings = _settings(models=models)
    folders = discover(settings.models)
    broken = 0
    for folder in folders:
        try:
            manifest = Bundle(folder, settings.bundle_public_key).manifest
        except RedshiftError as error:
            broken += 1
            typer.echo(f"{folder.name}  REFUSED  {error.message}")
            continue
        default = " (default)" if settings.default_model in {manifest.name, manifest.id} else ""
        typer.echo(f"{manifest.name} {manifest.version}{default}  {manifest.description}")
    if not folders:
        raise InvalidInputError(f"there is no bundle in {settings.models}")
    if broken:
        raise typer.Exit(1)
