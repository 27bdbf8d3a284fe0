"""The folder of one training run, from which an interrupted run goes on. Imports `data` and `recipes`; Keras.

``recipe.json`` and ``data.json`` say what is trained on what. ``history.csv`` has one row per finished epoch, written
after ``epoch-n.keras`` (network and optimiser) is complete, so that a run can be killed at any time.
``best.weights.h5`` holds the weights of the best epoch so far.
"""

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras

from gaia_redshift.errors import InvalidInputError
from training.data.material import Material
from training.recipes import HISTORY_FILE, RECIPE_FILE
from training.recipes.choose import parse
from training.recipes.recipe import Network, Recipe

_DATA_FILE = "data.json"
BEST_FILE = "best.weights.h5"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One row of ``history.csv``; errors are in redshift, `loss` is the recipe's."""

    epoch: int
    loss: float
    mean_absolute_error: float
    val_loss: float
    val_mean_absolute_error: float
    seconds: float

    @classmethod
    def measured(cls, epoch: int, found: Mapping[str, Sequence[float]], seconds: float) -> "Epoch":
        """Return the row of a Keras history of one epoch; the error may be that of one output, named before it."""
        error = next(name for name in found if name.endswith("mean_absolute_error") and not name.startswith("val_"))
        loss, mean, val_loss, val_mean = (found[name][0] for name in ("loss", error, "val_loss", f"val_{error}"))
        return cls(epoch, loss, mean, val_loss, val_mean, round(seconds, 2))


class Run:
    """A run folder, new or left by an interruption.

    The folder is made if it is not there. The recipe's `resumable` fields may change: a finished run goes on when more
    epochs are asked for. Raises InvalidInputError if the folder holds a run of another recipe or other data.
    """

    def __init__(self, folder: Path, recipe: Recipe, material: Material) -> None:
        self.folder, self.recipe = folder, recipe
        folder.mkdir(parents=True, exist_ok=True)
        self._claim(material)
        self.history = _read_history(folder / HISTORY_FILE)

    def _claim(self, material: Material) -> None:
        data = {"name": material.name, "sha256": material.sha256, "rows": len(material)}
        recipe_path, data_path = self.folder / RECIPE_FILE, self.folder / _DATA_FILE
        if recipe_path.exists() and data_path.exists():
            claimed = json.loads(data_path.read_text(encoding="utf-8"))
            # The rows differ where the policy does: other rows are left out of the same file.
            if claimed["sha256"] != material.sha256 or claimed.get("rows", len(material)) != len(material):
                raise InvalidInputError(f"{self.folder} holds a run on other data: name another run folder")
            earlier = parse(recipe_path.read_bytes(), str(recipe_path))
            changes = {name: getattr(self.recipe, name) for name in self.recipe.resumable}
            if earlier.model_copy(update=changes) != self.recipe:
                raise InvalidInputError(f"{self.folder} holds a run of another recipe: name another run folder")
        _write_whole(data_path, json.dumps(data, indent=2) + "\n")
        _write_whole(recipe_path, self.recipe.model_dump_json(indent=2) + "\n")

    @property
    def best(self) -> Epoch:
        """The finished epoch with the lowest validation loss."""
        return min(self.history, key=lambda row: row.val_loss)

    @property
    def finished(self) -> bool:
        """Whether the epochs or the patience are used up."""
        done = len(self.history)
        return done >= self.recipe.epochs or (done > 0 and done - self.best.epoch >= self.recipe.patience)

    def last_network(self) -> Network:
        """Return the network as the last finished epoch left it, optimiser included."""
        return keras.saving.load_model(self._checkpoint(len(self.history)))

    def best_network(self) -> Network:
        """Return the network of the best epoch, without optimiser."""
        network = self.recipe.build()
        network.load_weights(self.folder / BEST_FILE)
        return network

    def record(self, row: Epoch, network: Network) -> None:
        """Keep one finished epoch: its weights if they are the best, its checkpoint, and last its row.

        Raises InvalidInputError if the loss is no longer finite; then nothing of the epoch is kept.
        """
        if not math.isfinite(row.loss + row.val_loss):
            raise InvalidInputError(f"the training diverged in epoch {row.epoch}: the loss is {row.loss:g}")
        if not self.history or row.val_loss < self.best.val_loss:
            _save_whole(network.save_weights, self.folder / BEST_FILE)
        _save_whole(network.save, self._checkpoint(row.epoch))
        self.history.append(row)
        lines = [asdict(row).keys(), *(map(repr, asdict(each).values()) for each in self.history)]
        _write_whole(self.folder / HISTORY_FILE, "".join(f"{','.join(line)}\n" for line in lines))
        self._checkpoint(row.epoch - 1).unlink(missing_ok=True)

    def _checkpoint(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:03d}.keras"


def _read_history(path: Path) -> list[Epoch]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [Epoch(int(row.pop("epoch")), **{name: float(value) for name, value in row.items()}) for row in rows]


def _write_whole(path: Path, text: str) -> None:
    _save_whole(lambda part: part.write_text(text, encoding="utf-8"), path)


def _save_whole(save: Callable[[Path], object], path: Path) -> None:
    # The name keeps its ending: Keras chooses the format by it.
    part = path.with_name(f"part-{path.name}")
    save(part)
    part.replace(path)
