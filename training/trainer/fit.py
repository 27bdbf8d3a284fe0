"""Train a network by its recipe. Imports `loop`, `run`, `start`, `progress` and what they import.

`fit` is the whole training, from top to bottom. The order of the spectra follows from the seed and the epoch's number
alone, so a run that was interrupted ends with the same weights as one that was not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from gaia_redshift.engine.keras import Source, named
from gaia_redshift.spectra import FloatArray
from training.data.material import Material
from training.recipes.recipe import Network, Recipe, Scaler, Seen, fit_scaler
from training.trainer.loop import Loop
from training.trainer.progress import Progress
from training.trainer.run import Epoch, Run
from training.trainer.start import Start

PREDICTION_BATCH = 256
_ROWS_AT_ONCE = 1 << 14
"""Spectra scaled at a time, to save memory."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network and what belongs to it."""

    network: Network
    """With the best epoch's weights, scaled fluxes in."""
    scaler: Scaler
    recipe: Recipe
    history: tuple[Epoch, ...]
    best_epoch: int

    def output(self, flux: FloatArray) -> dict[str, FloatArray]:
        """Return what `network_output` does."""
        return network_output(Source(self.network, self.scaler), flux)


def network_output(source: Source, flux: FloatArray) -> dict[str, FloatArray]:
    """Return a network's outputs by name for raw spectra in e-/s per sample, shape (n, 186).

    These are ``redshift``, shape (n,); or ``density``, shape (n, bins), and ``kind``, shape (n, kinds).
    """
    found: dict[str, list[FloatArray]] = {}
    for start in range(0, len(flux), _ROWS_AT_ONCE):
        scaled = source.scaler.transform(flux[start : start + _ROWS_AT_ONCE])[..., np.newaxis]
        for name, values in named(source.network.predict(scaled, batch_size=PREDICTION_BATCH, verbose=0)).items():
            found.setdefault(name, []).append(values[:, 0] if name == "redshift" else values)
    return {name: np.concatenate(pieces).astype(np.float32, copy=False) for name, pieces in found.items()}


def fit(
    material: Material,
    recipe: Recipe,
    folder: Path,
    *,
    start: Start | None = None,
    tell: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train until the epochs or the patience are used up, from where an earlier run in the run folder stopped.

    `start` gives weights and scaler to start from. `tell` is called with each epoch, those of an earlier run included.
    Raises InvalidInputError if the folder has a run of another recipe or other data, the network of `start` is not the
    recipe's, or the loss is no longer finite.
    """
    make_repeatable(recipe.seed)
    run = Run(folder, recipe, material)
    tell = tell or (lambda _row: None)

    # A network that was trained before keeps its scaler: its weights know no other scale.
    scaler = start.scaler if start else fit_scaler(material)
    train = material.sample("train")
    validation = recipe.batches(material.sample("validation", recipe.validation_rows), scaler)
    steps = -(-len(train) // recipe.batch_size)

    if run.history:
        network = run.last_network()
    else:
        network = start.copy() if start else recipe.build(Seen(train.of_kind("galaxy").flux, scaler))
        recipe.compile(network, steps * recipe.epochs)

    loop = Loop(network, validation)
    progress = Progress(recipe.epochs, steps_per_epoch=steps)
    with progress.bar:
        progress.say_start(material, done=len(run.history))
        for row in run.history:
            tell(row)
        while not run.finished:
            epoch = len(run.history) + 1
            seed_dropout(network, recipe.seed, epoch)
            started = time.monotonic()
            measured = loop.epoch(recipe.batches(train, scaler, epoch), progress.callbacks(epoch))
            row = Epoch.measured(epoch, measured, time.monotonic() - started)
            run.record(row, network)
            progress.say_epoch(row, best=run.best.epoch == epoch)
            tell(row)

    return Fitted(run.best_network(), scaler, recipe, tuple(run.history), run.best.epoch)


def make_repeatable(seed: int) -> None:
    """Make all that is drawn from now on follow from the seed, and every sum be added in the same order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def seed_dropout(network: Network, seed: int, epoch: int) -> None:
    """Let dropped units follow from seed and epoch alone: the state of the generator is not in a checkpoint."""
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([seed + number, epoch])
