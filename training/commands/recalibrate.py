"""``gaia-redshift recalibrate``. Importing this file is cheap: TensorFlow is imported when the command runs."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from gaia_redshift.bundle import SHIPPED_MODELS, find_bundle
from gaia_redshift.commands.options import Models, PublicKey
from training.commands.options import (
    DataArgument,
    ModelArgument,
    PolicyOption,
    ReplaceOption,
    check_id,
    load_networks,
)

EXAMPLES = """
gaia-redshift recalibrate default labelled.fits -o models/mine
gaia-redshift recalibrate dissertation-cnn labelled.parquet -o models/mine --observed
"""


def recalibrate(
    model: ModelArgument,
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the new bundle, such as models/NAME.")],
    *,
    name: Annotated[str | None, typer.Option(help="Name of the new model; by default the folder's.")] = None,
    version: Annotated[
        str | None,
        typer.Option(help="Version of the new model; by default the old one's with its patch raised by one."),
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
    replace: ReplaceOption = False,
    models: Models = SHIPPED_MODELS,
    public_key: PublicKey = None,
) -> None:
    """Adjust a model's intervals, and its redshifts if they gain, to a few hundred labelled galaxies; no training.

    It prints bias and coverage before and, by cross-validation, after. At least 100 galaxies, better 300.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"  # only TensorFlow can trace the graph
    load_networks()
    from training.data.dataset import declare, load, say_dropped
    from training.release.export import Release
    from training.release.recalibrate import FEW
    from training.release.recalibrate import recalibrate as write

    bundle = find_bundle(Path(model) if Path(model).is_dir() else model, models, public_key)
    if version is None:
        major, minor, patch = bundle.manifest.version.split(".")
        version = f"{major}.{minor}.{int(patch) + 1}"
    release = Release(output, name or output.resolve().name, version, replace=replace)
    check_id(release.name, release.version)
    release.check_free()
    dataset = declare(load(data, policy), observed=observed)
    say_dropped(dataset)
    made = write(bundle, dataset, release, carry_over=carry_over)
    galaxies, left = len(made.chosen.galaxies.true), made.chosen.no_galaxies + made.chosen.without
    if galaxies < FEW:
        less = f"with fewer than {FEW} the new intervals may hold some per cent more or less"
        typer.echo(f"{galaxies} galaxies are few: {less}", err=True)
    if left:
        typer.echo(f"{left} rows left out: flagged as no galaxies, or without a redshift", err=True)
    shown = Table("prior", "", "before", "after, cross-validated")
    for row in made.rows():
        shown.add_row(*row)
    Console(highlight=False, width=90).print(shown)
    typer.echo(made.correction())
    typer.echo(f"{output}: {release.name}@{release.version}, from {bundle.manifest.id} and {galaxies} galaxies")
