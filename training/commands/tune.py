"""``gaia-redshift tune``. Importing this file is cheap: networks are imported when the command runs."""

import csv
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from training.commands.options import DataArgument, PolicyOption, load_networks
from training.recipes import SEED

if TYPE_CHECKING:
    from training.trainer.search import Trial

_COLUMNS = ("trial", "validation_mae", "parameters", "convolutions", "dense", "activation", "loss", "optimizer")
_SHOWN = 10
_LOG_WIDTH = 160

EXAMPLES = """
gaia-redshift tune spectra.parquet --trials 40 -o runs/tune
"""


def tune(
    data: DataArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the trials, the table and the best recipe.")
    ] = Path("runs/tune"),
    *,
    trials: Annotated[int, typer.Option(min=1, help="How many recipes to try, those of earlier calls included.")] = 40,
    epochs: Annotated[int, typer.Option(min=1, help="Passes of each trial, at most.")] = 10,
    patience: Annotated[int, typer.Option(min=1, help="End a trial after this many epochs without improvement.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Spectra per step.")] = 64,
    seed: Annotated[
        int, typer.Option(min=0, max=2**32 - 1, help="Random seed of the split, the search and every training.")
    ] = SEED,
    policy: PolicyOption = "refuse",
) -> None:
    """Search for a better recipe by Bayesian optimisation over the dissertation's space.

    Judged by the mean absolute error on the validation part. The same command again goes on; a larger --trials adds.
    With KERASTUNER_TUNER_ID (chief, or a worker's name), KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT set, a chief
    draws the recipes and workers train them.
    """
    load_networks("keras_tuner")
    from training.data.dataset import read, say_dropped
    from training.data.material import Galaxies, gather
    from training.data.split import split
    from training.evaluation.page import report_in
    from training.recipes.cnn import CnnRecipe
    from training.trainer.search import find_role, search

    role = find_role()
    base = CnnRecipe(epochs=epochs, patience=patience, batch_size=batch_size, seed=seed)
    dataset = read(data, policy)
    say_dropped(dataset)
    with redirect_stdout(sys.stderr):  # keras-tuner prints its messages
        found = search(gather(Galaxies(dataset, split(dataset, seed))), base, output, trials)
    if role == "worker":
        typer.echo("no more trials: the chief writes the table and the best recipe")
        return
    # What was fixed for the search alone does not belong to the recipe.
    best = found[0].recipe.model_copy(update={"epochs": CnnRecipe().epochs, "patience": CnnRecipe().patience})
    with report_in(output):
        with (output / "trials.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([(*_COLUMNS, "problem"), *map(_row, found)])
        (output / "best.json").write_text(best.model_dump_json(indent=2) + "\n", encoding="utf-8")
    table = Table(*(Column(name, overflow="fold") for name in _COLUMNS), box=None, pad_edge=False)
    for trial in found[:_SHOWN]:
        table.add_row(*_row(trial)[: len(_COLUMNS)])
    Console(highlight=False, width=None if sys.stdout.isatty() else _LOG_WIDTH).print(table)
    typer.echo(f"best of {len(found)}: gaia-redshift train DATA -o models/NAME --recipe {output / 'best.json'}")


def _row(trial: "Trial") -> tuple[str, ...]:
    recipe = trial.recipe
    return (
        str(trial.number),
        "failed" if trial.score is None else f"{trial.score:.5f}",
        str(trial.parameters),
        " ".join(f"{one.filters}x{one.kernel}" for one in recipe.convolutions),
        " ".join(map(str, recipe.dense)),
        recipe.activation,
        recipe.loss,
        recipe.optimizer,
        trial.problem,
    )
