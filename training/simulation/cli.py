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
gaia-redshift simulate -n 10000 --ebv 0.3 -o dusty.parquet
gaia-redshift simulate -n 10000 --beyond 0.3 -o unlike.parquet
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
    count: Annotated[
        int | None, typer.Option("--count", "-n", help="How many spectra; 10,000, or with --sed one at each redshift.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="One seed gives one dataset, whatever --workers is.")] = 1,
    redshift: Annotated[
        list[str] | None,
        typer.Option(
            "--redshift",
            metavar="survey|uniform|Z...",
            help="Redshifts as in the real survey, or uniform from 0 to 0.6; with --sed numbers, repeatable.",
        ),
    ] = None,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="|".join(KINDS), help="What to simulate, repeatable; galaxies by default."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", help="Processes to use; by default one per processor.")
    ] = None,
    release: Annotated[
        str,
        typer.Option("--release", help="Of Gaia, whose instrument is simulated; its bases must be in this version."),
    ] = "Gaia DR3",
    ebv: Annotated[
        str | None,
        typer.Option(
            metavar="MAX|MIN:MAX",
            help="E(B-V) of the Milky Way's dust in front of galaxies, uniform from 0 (or MIN) to MAX, at most 1 mag; "
            "that of SDSS's galaxies if absent. Parquet has the column ebv.",
        ),
    ] = None,
    beyond: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Of galaxies, 0 to 1, that are unlike SDSS's: late types, irregulars and starbursts, brighter and "
            "fainter ones, more dust (which only --ebv makes known), other cores; 0 if absent. Parquet has the column "
            "beyond.",
        ),
    ] = None,
    sed: Annotated[
        Path | None,
        typer.Option(
            "--sed",
            metavar="FILE",
            help="Observe this spectrum at each --redshift instead: two columns, wavelength and flux at rest, as text, "
            "CSV, ECSV, FITS or VOTable.",
        ),
    ] = None,
    wavelength_unit: Annotated[
        str | None, typer.Option(help="Of FILE: Angstrom, nm, um; what FILE says, else Angstrom.")
    ] = None,
    flux_unit: Annotated[
        str | None, typer.Option(help="Of FILE: f_lambda, f_nu or a unit; what FILE says, else f_lambda.")
    ] = None,
    magnitude: Annotated[
        float | None, typer.Option(help="Of FILE's galaxy, in --band; as the survey's galaxies if absent.")
    ] = None,
    band: Annotated[Literal["G", "RP"], typer.Option(help="In which --magnitude is given.")] = "G",
    transits: Annotated[
        int | None, typer.Option(help="How often Gaia saw FILE's galaxy, 10 to 160; drawn if absent.")
    ] = None,
    extent: Annotated[
        float | None,
        typer.Option(
            metavar="PX", help="Along scan, of FILE's galaxy: a Gaussian of 0 (a point) to 20 px; drawn if absent."
        ),
    ] = None,
) -> None:
    """Simulate Gaia BP/RP spectra of galaxies, of what is not one, or of a spectrum of your own."""
    given = {
        "--wavelength-unit": wavelength_unit, "--flux-unit": flux_unit, "--magnitude": magnitude,
        "--transits": transits, "--extent": extent,
    }  # fmt: skip
    if sed is None and (alone := next((name for name, value in given.items() if value is not None), None)):
        raise InvalidInputError(f"{alone} describes the spectrum of --sed FILE, which is not given")
    if beyond is not None and not 0 <= beyond <= 1:
        raise InvalidInputError(f"--beyond must be from 0 to 1, not {beyond:g}")
    if sed is not None:
        _refuse_beside_sed({"--ebv": ebv, "--kind": kind, "--beyond": beyond})
    elif kind and not {"galaxy", "blend"} & set(kind) and (ebv is not None or beyond is not None):
        raise InvalidInputError("--ebv and --beyond change galaxies: add --kind galaxy or blend, or leave them out")
    distribution = "survey" if sed is not None else _distribution(redshift)
    redshifts = () if sed is None else _redshifts(redshift)
    count = (len(redshifts) or 10_000) if count is None else count
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
    from training.simulation.instrument import grid_of

    files.check(output)
    kinds: tuple[Kind, ...] = tuple(map(_known, dict.fromkeys(kind))) if kind else ("galaxy",)
    wanted = _release(release)
    grid_of(wanted)
    of_archive, of_sed = archive.is_archive(output), sed.name if sed else ""
    chosen = (_range(ebv), beyond or 0.0)
    recipe = dataset.Recipe(count, seed, distribution, kinds, of_archive, of_sed, wanted, *chosen)
    console = Console(stderr=True)
    if sed is not None:
        from training.simulation.sed import Observation, observe_many
        from training.simulation.sed_file import read_sed

        known = read_sed(sed, wavelength_unit, flux_unit)
        console.print(known.sentence, markup=False, highlight=False, soft_wrap=True)
        blocks = observe_many(known, redshifts, Observation(magnitude, band, transits, extent), recipe)
    with Progress(console=console, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("simulating", total=count)
        if sed is None:
            blocks = dataset.simulate(recipe, processes)
        files.write(blocks, recipe, output, lambda rows: progress.advance(task, rows))
    typer.echo(f"wrote {counted(count, 'spectrum', 'spectra')} to {output}", err=True)


def _refuse_beside_sed(given: dict[str, object]) -> None:
    reasons = {"--ebv": "FILE is observed as it is, its dust included"}
    if alone := next((name for name, value in given.items() if value is not None and value != []), None):
        reason = reasons.get(alone, "FILE is what is simulated")
        raise InvalidInputError(f"{alone} and --sed exclude each other: {reason}")


def _range(text: str | None) -> tuple[float, float] | None:
    from gaia_redshift.spectra import LARGEST_EBV

    if text is None:
        return None
    low, between, high = text.rpartition(":")
    try:
        found = float(low) if between else 0.0, float(high)
    except ValueError:
        found = (0.0, -1.0)
    if not 0 <= found[0] <= found[1] <= LARGEST_EBV:
        raise InvalidInputError(
            f"--ebv must be MAX or MIN:MAX, numbers from 0 to {LARGEST_EBV:g}, MIN at most MAX, not {text[:40]!r}"
        )
    return found


def _release(name: str) -> str:
    from gaia_redshift.spectra import find_release

    try:
        return find_release(name).name
    except ValueError as error:
        raise InvalidInputError(f"--release: {error}") from None


def _distribution(words: list[str] | None) -> Literal["survey", "uniform"]:
    found: dict[str, Literal["survey", "uniform"]] = {"survey": "survey", "uniform": "uniform"}
    if len(words or ["survey"]) == 1 and (word := (words or ["survey"])[0]) in found:
        return found[word]
    raise InvalidInputError(
        f"--redshift must be survey or uniform, not {' '.join(words or ())}: numbers belong to --sed FILE"
    )


def _redshifts(words: list[str] | None) -> tuple[float, ...]:
    if not words:
        raise InvalidInputError("--sed needs the redshifts at which FILE is observed: --redshift 0.1 --redshift 0.2")
    try:
        return tuple(float(cell) for word in words for cell in word.split(","))
    except ValueError:
        raise InvalidInputError(f"--redshift must be numbers with --sed, not {' '.join(words)}") from None


def _known(name: str) -> Kind:
    for kind in KINDS:
        if kind == name:
            return kind
    raise InvalidInputError(f"--kind must be one of {', '.join(KINDS)}, not {name!r}")
