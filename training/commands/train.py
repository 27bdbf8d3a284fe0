"""``gaia-redshift train``. Importing this file is cheap: networks are imported when the command runs."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gaia_redshift.errors import InvalidInputError
from training.commands.options import DataArgument, PolicyOption, check_id, load_networks
from training.recipes import DEFAULT, NAMES

if TYPE_CHECKING:
    from training.recipes.recipe import Recipe

_of_data, _of_recipe, _of_bundle, _of_run = (
    partial(typer.Option, rich_help_panel=f"The {what}") for what in ("spectra", "recipe", "bundle", "run")
)

EXAMPLES = """
gaia-redshift train spectra.parquet -o models/mine --observed
gaia-redshift train real.fits -o models/finer --observed --init models/dissertation-cnn --learning-rate 0.0001
gaia-redshift train survey.parquet --recipe density --balance even.parquet --contaminants others.parquet -o models/mine
"""


def train(
    data: DataArgument,
    output: Annotated[Path, _of_bundle("--output", "-o", help="Folder of the bundle, such as models/NAME.")],
    *,
    recipe: Annotated[
        str | None, _of_recipe(metavar="NAME|FILE", help=f"{', '.join(NAMES)}, or a JSON file; by default {DEFAULT}.")
    ] = None,
    balance: Annotated[
        Path | None, _of_data(metavar="FILE", help="For --recipe density: galaxies uniform in redshift.")
    ] = None,
    contaminants: Annotated[
        Path | None,
        _of_data(metavar="FILE", help="For --recipe density: stars, quasars, sky and blends, from simulate."),
    ] = None,
    init: Annotated[
        Path | None, _of_recipe(metavar="BUNDLE", help="Train this bundle's network further: its recipe and scaler.")
    ] = None,
    epochs: Annotated[int | None, _of_recipe(min=1, help="At most this many passes.")] = None,
    batch_size: Annotated[int | None, _of_recipe(min=1, help="Spectra per step.")] = None,
    learning_rate: Annotated[float | None, _of_recipe(min=1e-12, help="Initial learning rate.")] = None,
    patience: Annotated[int | None, _of_recipe(min=1, help="Stop after this many epochs without improvement.")] = None,
    seed: Annotated[
        int | None,
        _of_recipe(min=0, max=2**32 - 1, help="Random seed of the split, the initial weights and the batches."),
    ] = None,
    name: Annotated[str | None, _of_bundle(help="Name of the model; by default the folder's.")] = None,
    version: Annotated[str, _of_bundle(help="Version of the model, such as 1.2.0.")] = "0.1.0",
    observed: Annotated[
        bool | None, _of_data("--observed/--simulated", help="What the spectra are, where the file does not say.")
    ] = None,
    run_dir: Annotated[
        Path | None,
        _of_run(help="Checkpoints and history; by default runs/NAME. The same command continues an interrupted run."),
    ] = None,
    policy: PolicyOption = "refuse",
    tensorboard: Annotated[Path | None, _of_run(metavar="DIR", help="Write the curves for TensorBoard.")] = None,
    replace: Annotated[bool, _of_bundle("--replace", help="Replace a bundle that is there already.")] = False,
) -> None:
    """Train a network on labelled spectra and write a bundle; options change single entries of the recipe.

    An interrupted training goes on from its last epoch when the same command is given again.
    """
    name = name or output.resolve().name
    check_id(name, version)
    load_networks(*(["tensorboard"] if tensorboard else []))
    from training.data.dataset import declare, read, say_dropped
    from training.data.material import Galaxies, gather
    from training.data.split import split
    from training.recipes.choose import choose
    from training.release.export import Release, export
    from training.trainer.fit import fit
    from training.trainer.progress import board
    from training.trainer.start import load_start

    release = Release(output, name, version, replace=replace)
    release.check_free()
    start = load_start(init) if init else None
    chosen = start.recipe if start and not recipe else choose(recipe or DEFAULT)
    if chosen.start and not start:
        raise InvalidInputError(f"recipe {chosen.name} starts from {chosen.start}: add --init with that bundle")
    changes = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "seed": seed}
    made_by = chosen.changed({**changes, "learning_rate": learning_rate, "start": start.name if start else None})
    if start:
        start.check(made_by)
    _require_files(made_by, balance=balance, contaminants=contaminants)

    def galaxies(path: Path) -> Galaxies:
        dataset = declare(read(path, policy), observed=observed)
        say_dropped(dataset)
        return Galaxies(dataset, split(dataset, made_by.seed))

    material = gather(galaxies(data), galaxies(balance) if balance else None, contaminants)
    folder = run_dir or Path("runs") / name
    with board(tensorboard) as tell:
        fitted = fit(material, made_by, folder, start=start, tell=tell)
    manifest = export(fitted, material, folder, release)
    typer.echo(
        f"{output}: {manifest.name} {manifest.version}, test part MAE {manifest.metrics['mae']:.4f}, "
        f"NMAD {manifest.metrics['nmad']:.4f}, bias {manifest.metrics['bias_mean']:+.4f}"
    )


def _require_files(recipe: "Recipe", **given: Path | None) -> None:
    """Refuse a training without a file that its recipe needs, or with one that it has no use for."""
    missing = [f"--{name}" for name in given if name in recipe.needs and not given[name]]
    if missing:
        raise InvalidInputError(f"--recipe {recipe.name} needs {' and '.join(f'--{name}' for name in recipe.needs)}")
    idle = [f"--{name}" for name, path in given.items() if path and name not in recipe.needs]
    if idle:
        from training.recipes.choose import RECIPES

        theirs = " or ".join(name for name, kind in RECIPES.items() if any(f"--{need}" in idle for need in kind.needs))
        belong, them = ("belongs", "it") if len(idle) == 1 else ("belong", "them")
        raise InvalidInputError(
            f"{' and '.join(idle)} {belong} to --recipe {theirs}, not to {recipe.name}: leave {them} out"
        )
