"""``gaia-redshift recalibrate``. Importing this file is cheap: TensorFlow is imported when the command runs."""

import os
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gaia_redshift.bundle import NAME_PATTERN, SHIPPED_MODELS, VERSION_PATTERN, find_bundle
from gaia_redshift.commands.options import Models, PublicKey
from gaia_redshift.engine.quiet import import_tensorflow
from gaia_redshift.errors import InvalidInputError
from training.commands.options import DataArgument, PolicyOption, require_packages

EXAMPLES = """
gaia-redshift recalibrate default labelled.fits -o models/mine
gaia-redshift recalibrate dissertation-cnn labelled.parquet -o models/mine --observed
"""


def recalibrate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder of a bundle, or its name among the models.")],
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new bundle, such as models/NAME.")],
    *,
    name: Annotated[str | None, typer.Option(help="Of the new model; by default the folder's.")] = None,
    version: Annotated[
        str | None, typer.Option(help="Of the new model; by default the old one's with its patch raised by one.")
    ] = None,
    observed: Annotated[
        bool | None,
        typer.Option("--observed/--simulated", help="What the spectra are, where the file does not say."),
    ] = None,
    carry_over: Annotated[
        bool,
        typer.Option("--carry-over", help="Let the new model read the release of DATA, where MODEL reads another one."),
    ] = False,
    policy: PolicyOption = "refuse",
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there already.")] = False,
    models: Models = SHIPPED_MODELS,
    public_key: PublicKey = None,
) -> None:
    """Set a model's intervals, and where it gains its redshifts, by a few hundred labelled galaxies; no training.

    It prints bias and coverage before and, by cross-validation, after. At least 100 galaxies, better 300.
    """
    require_packages()
    os.environ["KERAS_BACKEND"] = "tensorflow"  # only TensorFlow can trace the graph
    import_tensorflow()
    from training.data.dataset import declare, load, say_dropped
    from training.release.export import Release
    from training.release.recalibrate import FEW
    from training.release.recalibrate import recalibrate as write
    from training.release.recalibrated import correction_in_words, table

    bundle = find_bundle(Path(model) if Path(model).is_dir() else model, models, public_key)
    release = Release(
        output, _name(name or output.resolve().name), _version(version, bundle.manifest.version), replace=replace
    )
    release.check_free()
    dataset = declare(load(data, policy), observed=observed)
    say_dropped(dataset)
    said = write(bundle, dataset, release, carry_over=carry_over)
    galaxies, left = said["data"]["galaxies"], said["data"]["taken_for_no_galaxy"] + said["data"]["without_redshift"]
    say = Console(stderr=True, highlight=False, soft_wrap=True).print
    if galaxies < FEW:
        say(
            f"{galaxies} galaxies are few: with fewer than {FEW} the new intervals may hold some per cent more or less",
            markup=False,
        )
    if left:
        say(f"{left} rows left out: flagged as no galaxies, or without a redshift", markup=False)
    shown = Table("prior", "", "before", "after, cross-validated")
    for row in table(said):
        shown.add_row(*row)
    Console(highlight=False, width=90).print(shown)
    typer.echo(correction_in_words(said))
    typer.echo(f"{output}: {release.name}@{release.version}, from {bundle.manifest.id} and {galaxies} galaxies")


def _name(name: str) -> str:
    if not re.fullmatch(NAME_PATTERN, name):
        raise InvalidInputError(f"--name {name!r} does not match {NAME_PATTERN}")
    return name


def _version(wanted: str | None, old: str) -> str:
    """Return the version that is wanted, or the next patch: a bundle's version has no build part to put a suffix in."""
    if wanted is None:
        major, minor, patch = old.split(".")
        return f"{major}.{minor}.{int(patch) + 1}"
    if not re.fullmatch(VERSION_PATTERN, wanted):
        raise InvalidInputError(f"--version {wanted!r} does not match {VERSION_PATTERN}")
    return wanted
