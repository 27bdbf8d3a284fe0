"""``gaia-redshift train``. Importing this file is cheap: networks are imported when the command runs."""

import re
from pathlib import Path
from typing import Annotated

import typer

from gaia_redshift.bundle import NAME_PATTERN, VERSION_PATTERN, Manifest
from gaia_redshift.engine.quiet import import_tensorflow
from gaia_redshift.errors import InvalidInputError
from training.density.recipe import choose as choose_density
from training.options import DataArgument, PolicyOption, require_packages
from training.recipe import DEFAULT, RECIPES, choose, with_changes


def train(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the bundle, such as models/NAME.")],
    *,
    recipe: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help=f"{', '.join(RECIPES)}, density, or a JSON file; by default {DEFAULT}."),
    ] = None,
    balance: Annotated[
        Path | None, typer.Option(metavar="FILE", help="density: galaxies even in redshift, such as uniform ones.")
    ] = None,
    contaminants: Annotated[
        Path | None, typer.Option(metavar="FILE", help="density: stars, quasars, sky and blends, from simulate.")
    ] = None,
    init: Annotated[
        Path | None, typer.Option(metavar="BUNDLE", help="Train this bundle's network further: its recipe and scaler.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most this many passes.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Spectra per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=1e-12, help="Of the optimiser, at the start.")] = None,
    patience: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many epochs without improvement.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, help="Of the split, the first weights and the batches.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; by default the folder's.")] = None,
    version: Annotated[str, typer.Option(help="Of the model, such as 1.2.0.")] = "0.1.0",
    observed: Annotated[
        bool | None,
        typer.Option("--observed/--simulated", help="What the spectra are, where the file does not say."),
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Checkpoints and history; by default runs/NAME. Run again to go on.")
    ] = None,
    policy: PolicyOption = "refuse",
    tensorboard: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the curves for TensorBoard.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there already.")] = False,
) -> None:
    """Train a network on labelled spectra and write a bundle; options change single entries of the recipe.

    An interrupted training goes on from its last epoch when the same command is given again.
    """
    name = name or output.resolve().name
    _require(NAME_PATTERN, "--name", name)
    _require(VERSION_PATTERN, "--version", version)
    require_packages(*(["tensorboard"] if tensorboard else []))
    changes = {"epochs": epochs, "batch_size": batch_size, "patience": patience, "seed": seed}
    folder = run_dir or Path("runs") / name
    if densities := choose_density(recipe):
        if init or tensorboard or not balance or not contaminants:
            raise InvalidInputError("--recipe density needs --balance and --contaminants, no --init, no --tensorboard")
        import_tensorflow()
        from training.density.command import Files
        from training.density.command import train as train_density
        from training.export import Release

        files = Files(data, balance, contaminants, policy, observed)
        changed = densities.changed({**changes, "learning_rate": learning_rate})
        _say(output, train_density(files, changed, folder, Release(output, name, version, replace=replace)))
        return
    if balance or contaminants:
        raise InvalidInputError("--balance and --contaminants belong to --recipe density")
    chosen = choose(recipe or DEFAULT)
    import_tensorflow()
    from training.dataset import declare, read, say_dropped
    from training.export import Release, export
    from training.fit import fit
    from training.split import split
    from training.start import load_start
    from training.tensorboard import board

    release = Release(output, name, version, replace=replace)
    release.check_free()
    start = load_start(init) if init else None
    if start and not recipe:
        chosen = start.recipe
    made_by = with_changes(chosen, {**changes, "learning_rate": learning_rate}, start.name if start else None)
    if start:
        start.check(made_by)
    dataset = declare(read(data, policy), observed=observed)
    say_dropped(dataset)
    parts = split(dataset, made_by.seed)
    with board(tensorboard) as tell:
        fitted = fit(dataset, parts, made_by, folder, start=start, tell=tell)
    manifest = export(fitted, dataset, parts, folder, release)
    _say(output, manifest)


def _say(output: Path, manifest: Manifest) -> None:
    typer.echo(
        f"{output}: {manifest.name} {manifest.version}, test part MAE {manifest.metrics['mae']:.4f}, "
        f"NMAD {manifest.metrics['nmad']:.4f}, bias {manifest.metrics['bias_mean']:+.4f}"
    )


def _require(pattern: str, option: str, value: str) -> None:
    if not re.fullmatch(pattern, value):
        raise InvalidInputError(f"{option} {value!r} does not match {pattern}")
