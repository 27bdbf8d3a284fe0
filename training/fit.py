"""Train a network by its recipe. Imports `dataset`, `split`, `recipe`, `run`, `progress`; Keras and scikit-learn.

Read `fit` from top to bottom: it is the recipe. Each epoch's order of galaxies follows from the seed and the
epoch's number alone, so a run that was interrupted ends with the same weights as one that was not.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.preprocessing import MinMaxScaler

from app.errors import InvalidInputError
from app.spectra import FloatArray
from training.dataset import Dataset
from training.progress import Progress
from training.recipe import Recipe
from training.run import Epoch, Run
from training.split import Split

PREDICTION_BATCH = 256
"""Large enough to be fast, small enough that the activations of one batch stay below 150 MB."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A trained network and what belongs to it."""

    network: Any
    """Keras network with the best epoch's weights, scaled fluxes in."""
    scaler: Any
    """MinMaxScaler fitted on the training part."""
    recipe: Recipe
    history: tuple[Epoch, ...]
    best_epoch: int

    def predict(self, flux: FloatArray) -> FloatArray:
        """Return redshifts, shape (n,), of raw spectra in e-/s per sample, shape (n, 186)."""
        scaled = self.scaler.transform(flux)[..., np.newaxis]
        predicted = self.network.predict(scaled, batch_size=PREDICTION_BATCH, verbose=0)
        return np.asarray(predicted[:, 0], dtype=np.float32)


def fit(dataset: Dataset, parts: Split, recipe: Recipe, folder: Path) -> Fitted:
    """Train until the epochs or the patience are used up, going on where an earlier run in `folder` stopped.

    Parameters
    ----------
    dataset : Dataset
    parts : Split
    recipe : Recipe
    folder : Path
        The run folder: checkpoints, ``history.csv``, ``recipe.json``.

    Returns
    -------
    Fitted

    Raises
    ------
    InvalidInputError
        If `folder` holds a run of another recipe or other data, or the loss is no longer finite.
    """
    keras.utils.set_random_seed(recipe.seed)

    # The dissertation fitted its scaler before the split; here nothing is learnt from the other parts.
    scaler = MinMaxScaler().fit(dataset.flux[parts.train])
    scaled = scaler.transform(dataset.flux)[..., np.newaxis]
    validation = (scaled[parts.validation], dataset.redshift[parts.validation])

    run = Run(folder, recipe, dataset)
    network = run.network()
    with Progress(recipe.epochs, steps_per_epoch=-(-len(parts.train) // recipe.batch_size)) as progress:
        progress.say_start(parts.counts(), done=len(run.history))
        while not run.finished:
            epoch = len(run.history) + 1
            order = np.random.default_rng([recipe.seed, epoch]).permutation(parts.train)
            started = time.monotonic()
            measured = network.fit(
                scaled[order],
                dataset.redshift[order],
                batch_size=recipe.batch_size,
                shuffle=False,
                validation_data=validation,
                validation_batch_size=PREDICTION_BATCH,
                callbacks=progress.callbacks(epoch),
                verbose=0,
            ).history
            row = Epoch(
                epoch,
                loss=measured["loss"][0],
                mean_absolute_error=measured["mean_absolute_error"][0],
                val_loss=measured["val_loss"][0],
                val_mean_absolute_error=measured["val_mean_absolute_error"][0],
                seconds=round(time.monotonic() - started, 2),
            )
            if not math.isfinite(row.loss + row.val_loss):
                raise InvalidInputError(f"the training diverged in epoch {epoch}: the loss is {row.loss:g}")
            run.record(row, network)
            progress.say_epoch(row, best=run.best.epoch == epoch)

    return Fitted(run.best_network(), scaler, recipe, tuple(run.history), run.best.epoch)
