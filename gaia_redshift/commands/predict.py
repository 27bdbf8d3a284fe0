"""The command ``predict``. Importing this loads no network runtime."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands import options
from gaia_redshift.commands.streams import named, open_input, replacing, write_bins
from gaia_redshift.errors import InvalidInputError, counted
from gaia_redshift.interpretation.noise import in_another_unit
from gaia_redshift.interpretation.result import Asked
from gaia_redshift.spectra import SpectrumBatch, Unit, find_unit
from gaia_redshift.tables import files
from gaia_redshift.tables.prior import find_prior

EXAMPLES = """
gaia-redshift predict spectra.csv -o redshifts.csv
gaia-redshift predict spectra.parquet -o densities.parquet --pdf --prior flat
gaia-redshift predict converted.csv -o redshifts.csv --unit per_pixel
zcat spectra.csv.gz | gaia-redshift predict - -o - | head
"""


def predict(
    table: Annotated[
        Path, typer.Argument(metavar="IN", help="Table of spectra, .csv or .parquet; - for CSV from standard input.")
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Redshifts, .csv or .parquet; - writes CSV to standard output.",
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
        bool, typer.Option("--pdf", help="Add the probability density as columns pdf_0.. (density models only).")
    ] = False,
    unit: Annotated[
        str,
        typer.Option(
            metavar="per_sample|per_pixel",
            help="Of the fluxes, in e-/s. GaiaXPy's convert gives them per pixel, of which a sample is 0.33342 in BP "
            "and 0.35680 in RP.",
        ),
    ] = "per_sample",
    models: options.Models = SHIPPED_MODELS,
    engine: options.Engine = "auto",
    threads: options.Threads = None,
    public_key: options.PublicKey = None,
) -> None:
    """Predict every spectrum of a table. Exits with 1 if some rows had to be left without a redshift.

    IN has a row for each spectrum: columns flux_0 to flux_185, which are 80 BP and then 106 RP samples; or bp_0.. (80
    or 120) and rp_0.. (106 or 120); in Parquet also columns flux, or bp and rp, of lists. Both bands go from blue to
    red. Fluxes are in e-/s per sample: not in W m-2 nm-1, and not per pixel unless --unit says so. A column source_id
    is optional.

    OUT has the columns source_id, redshift, redshift_lower and redshift_upper (68%), redshift_lower95 and
    redshift_upper95, quality (flags joined by |), status (ok or error) and error (why).
    """
    from gaia_redshift.predictor import Predictor

    said = _unit(unit)
    files.check_format(named(output))
    read = files.reader(named(table))
    asked = Asked(find_prior(prior), pdf)
    chosen = Predictor(model, models=models, engine=engine, threads=threads, public_key=public_key)
    chosen.check(asked)
    rows = failed = mismatched = 0
    with open_input(table) as source, replacing(output) as target:
        writer = files.writer(named(output), target, chosen.about(asked))
        for batch in _ahead(read(source)):
            predictions = chosen.predict(batch.in_samples(said), asked)
            writer.write(predictions)
            rows += len(predictions)
            failed += len(predictions.problems)
            mismatched += int(predictions.redshifts.raised("noise_mismatch").sum())
        writer.close()
    if pdf and named(output).suffix.lower() == ".csv":  # other formats keep the edges in their metadata
        write_bins(output, chosen.manifest.bin_edges or [])
    say = Console(stderr=True, highlight=False).print
    say(
        f"{counted(rows, 'spectrum', 'spectra')}, {failed} without a redshift, by {chosen.manifest.name} "
        f"{chosen.manifest.version} -> {output}"
    )
    if in_another_unit(mismatched, rows - failed):
        say(
            f"{mismatched} spectra have noise that does not belong to their brightness (noise_mismatch): are the "
            "fluxes in e-/s per sample? GaiaXPy's convert gives them per pixel: --unit per_pixel"
        )
    if failed:
        raise typer.Exit(1)


def _unit(text: str) -> Unit:
    try:
        return find_unit(text)
    except ValueError as error:
        raise InvalidInputError(f"--unit: {error}") from None


def _ahead(blocks: Iterator[SpectrumBatch]) -> Iterator[SpectrumBatch]:
    """Read the next block in a thread while the network works on this one."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader") as thread:
        coming = thread.submit(next, blocks, None)
        while (block := coming.result()) is not None:
            coming = thread.submit(next, blocks, None)
            yield block
