"""``gaia-redshift train``. Importing this file is cheap: networks are imported when the command runs."""

import os
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from app.bundle import NAME_PATTERN, VERSION_PATTERN
from app.errors import InvalidInputError, MissingDependencyError
from training.options import DataArgument, PolicyOption
from training.recipe import Recipe

_NEEDED = ("joblib", "keras", "onnx", "sklearn", "tensorflow", "tf2onnx")
_DEFAULTS = Recipe()


def train(
    data: DataArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the bundle, such as models/NAME.")],
    *,
    epochs: Annotated[int, typer.Option(min=1, help="At most this many passes.")] = _DEFAULTS.epochs,
    batch_size: Annotated[int, typer.Option(min=1, help="Spectra per step.")] = _DEFAULTS.batch_size,
    patience: Annotated[
        int, typer.Option(min=1, help="Stop after this many epochs without improvement.")
    ] = _DEFAULTS.patience,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Of the split, the first weights and the batches.")
    ] = _DEFAULTS.seed,
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
    replace: Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there already.")] = False,
) -> None:
    """Train the dissertation's network on labelled spectra and write a bundle.

    An interrupted training goes on from its last epoch when the same command is given again.
    """
    name = name or output.resolve().name
    _require(NAME_PATTERN, "--name", name)
    _require(VERSION_PATTERN, "--version", version)
    _require_packages()
    recipe = Recipe(epochs=epochs, batch_size=batch_size, patience=patience, seed=seed)
    # TensorFlow's remarks about the processor help nobody who trains.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from training.dataset import declare, read, say_dropped
    from training.export import Release, export
    from training.fit import fit
    from training.split import split

    release = Release(output, name, version, replace=replace)
    release.check_free()
    dataset = declare(read(data, policy), observed=observed)
    say_dropped(dataset)
    parts = split(dataset, seed)
    folder = run_dir or Path("runs") / name
    manifest = export(fit(dataset, parts, recipe, folder), dataset, parts, folder, release)
    typer.echo(
        f"{output}: {manifest.name} {manifest.version}, test part MAE {manifest.metrics['mae']:.4f}, "
        f"NMAD {manifest.metrics['nmad']:.4f}, bias {manifest.metrics['bias_mean']:+.4f}"
    )


def _require(pattern: str, option: str, value: str) -> None:
    if not re.fullmatch(pattern, value):
        raise InvalidInputError(f"{option} {value!r} does not match {pattern}")


def _require_packages() -> None:
    """Look for everything now, lest an hour of training ends at a converter that is not installed."""
    for package in _NEEDED:
        if find_spec(package) is None:
            raise MissingDependencyError(
                f"training needs {package}, which is not installed: pip install 'gaia-redshift[train]'"
            )
