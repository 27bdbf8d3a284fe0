"""The command ``predict``. Importing this loads no network runtime."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands import options
from gaia_redshift.commands.streams import STANDARD, named, open_input, replacing, write_bins
from gaia_redshift.errors import InvalidInputError, counted
from gaia_redshift.interpretation.noise import in_another_unit
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.spectra import Unit, find_unit
from gaia_redshift.tables.prior import find_prior

EXAMPLES = """
gaia-redshift predict spectra.csv -o redshifts.csv
gaia-redshift predict spectra.parquet -o densities.parquet --pdf --prior flat
gaia-redshift predict cluster.fits -o redshifts.fits --prior sample
gaia-redshift predict converted.csv -o redshifts.csv --unit per_pixel
gaia-redshift predict XP_CONTINUOUS_RAW.fits -o redshifts.vot
zcat spectra.csv.gz | gaia-redshift predict - -o - | head
"""


def predict(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="Table of spectra: CSV, ECSV, FITS, VOTable, Parquet, Arrow, JSON lines or NumPy, also compressed; - "
            "for standard input.",
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Table with redshifts to write: .csv, .ecsv, .fits, .vot, .parquet, .arrow or .jsonl, or .qp.fits for "
            "densities in qp's format; - writes CSV to standard output.",
            rich_help_panel="The answer",
        ),
    ],
    *,
    model: options.Model = "default",
    prior: Annotated[
        str,
        typer.Option(
            metavar="survey|flat|sample|FILE.csv",
            help="Prior on redshift; sample first infers the distribution of IN, which needs at least 200 galaxies; a "
            "file has the columns redshift,density. Point models take only survey.",
            rich_help_panel="The answer",
        ),
    ] = "survey",
    pdf: Annotated[
        bool,
        typer.Option(
            "--pdf",
            help="Add the probability density: an array, in CSV pdf_0.. (density models only).",
            rich_help_panel="The answer",
        ),
    ] = False,
    stamp: Annotated[
        bool,
        typer.Option(
            "--stamp",
            help="Add the columns model and prior, and corrected_to_ebv if there is ebv, the same in every row.",
            rich_help_panel="The answer",
        ),
    ] = False,
    snr: Annotated[
        bool,
        typer.Option(
            "--snr",
            help="Add snr_bp and snr_rp, from the errors and correlations of the archive's coefficients.",
            rich_help_panel="The spectra",
        ),
    ] = False,
    unit: Annotated[
        str,
        typer.Option(
            metavar="per_sample|per_pixel",
            help="Unit of the fluxes, e-/s. GaiaXPy's convert gives e-/s per pixel; a sample is 0.33342 pixels in BP "
            "and 0.35680 in RP.",
            rich_help_panel="The spectra",
        ),
    ] = "per_sample",
    models: options.Models = SHIPPED_MODELS,
    engine: options.Engine = "auto",
    threads: options.Threads = None,
    public_key: options.PublicKey = None,
) -> None:
    """Predict every spectrum of a table. Exits with 1 if some rows have no redshift.

    IN has a row for each spectrum: columns flux_0 to flux_185, 80 BP samples and then 106 RP samples; or bp_0.. (80
    or 120) and rp_0.. (106 or 120); or array columns flux, or bp and rp. Both bands run from blue to red. Fluxes are
    in e-/s per sample: not in W m-2 nm-1, and not per pixel unless --unit says so. IN can also be a file of Gaia's
    archive (XP_CONTINUOUS), whose coefficients are converted to fluxes. The recognised columns are reported. By a
    column ebv, E(B-V) in mag from 0 to 1, the fluxes are corrected for the Milky Way's extinction.

    OUT has the other columns of IN unchanged, then redshift, redshift_lower and redshift_upper (68%),
    redshift_lower95 and redshift_upper95, quality (flags joined by |), status (ok or error) and error (the reason).
    """
    from gaia_redshift.predictor import Predictor
    from gaia_redshift.tables.ahead import read_ahead
    from gaia_redshift.tables.answers import beside, stamped
    from gaia_redshift.tables.formats import check_densities, format_to_write, opened, settle
    from gaia_redshift.tables.recognise import recognise
    from gaia_redshift.tables.spectra import check_readable, read_spectra, unit_of_columns

    said = find_unit_option(unit)
    written = format_to_write(named(output).name)
    check_densities(written, pdf)
    asked = AnswerOptions("sample" if prior == "sample" else find_prior(prior), pdf)
    chosen = Predictor(model, models=models, engine=engine, threads=threads, public_key=public_key)
    chosen.check(asked)
    rows = failed = mismatched = 0
    reasons: Counter[str] = Counter()
    first = ""
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    name = "standard input" if table == STANDARD else table.name
    with open_input(table) as source, opened(source, named(table).name) as content, replacing(output) as target:
        found = recognise(content, chosen.bundle.grid)
        say(f"{name}: {found.sentence}", markup=False)
        check_readable(found, chosen.bundle.grid, chosen.manifest.id)
        about = chosen.about(asked, corrected=found.ebv is not None)
        settle(content, found, written)
        unit_found = unit_of_columns(content, found, said)
        if asked.prior == "sample":
            every = (batch.in_samples(unit_found) for batch in read_ahead(read_spectra(content, found)))
            asked = AnswerOptions(chosen.sample_prior(every), pdf)
        writer = written.writer(target, about)
        for batch in read_ahead(read_spectra(content, found, carry=True, errors=snr)):
            predictions = chosen.predict(batch.in_samples(unit_found), asked)
            made = beside(batch.carried, predictions, about)
            writer.write(stamped(made, about) if stamp else made)
            rows += len(predictions)
            reasons.update(problem.code for problem in predictions.problems.values())
            if predictions.problems and not failed:
                row, problem = min(predictions.problems.items())
                first = f"row {rows - len(predictions) + row + 1}: {problem.code}: {problem.message}"
            failed += len(predictions.problems)
            mismatched += int(predictions.redshifts.raised("noise_mismatch").sum())
        writer.close()
    if pdf and named(output).suffix.lower() == ".csv":  # other formats keep the edges in their metadata
        write_bins(output, chosen.manifest.bin_edges or [])
    say(
        f"{counted(rows, 'spectrum', 'spectra')}, {failed} without a redshift, by {chosen.manifest.name} "
        f"{chosen.manifest.version} -> {output}"
    )
    if failed:
        codes = ", ".join(f"{count} {code}" for code, count in reasons.most_common())
        say(f"without a redshift: {codes}; the first is {first}", markup=False)
    if in_another_unit(mismatched, rows - failed):
        say(
            f"{mismatched} spectra have noise that does not fit their brightness (noise_mismatch): are the "
            "fluxes in e-/s per sample? GaiaXPy's convert gives them per pixel: --unit per_pixel"
        )
    if failed:
        raise typer.Exit(1)


def find_unit_option(text: str) -> Unit:
    """Return the unit that an option names; raises InvalidInputError."""
    try:
        return find_unit(text)
    except ValueError as error:
        raise InvalidInputError(f"--unit: {error}") from None
