"""Train a network by its recipe. Imports `loop`, `run`, `start`, `progress` and what they import; scikit-learn.

Read `fit` from top to bottom: it is the recipe. Each epoch's order of galaxies follows from the seed and the
epoch's number alone, so a run that was interrupted ends with the same weights as one that was not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.spectra import FloatArray
from training.dataset import Dataset
from training.loop import PREDICTION_BATCH, Loop
from training.progress import Progress
from training.recipe import Recipe
from training.run import Epoch, Run
from training.split import Rows, Split
from training.start import Start

_ROWS_AT_ONCE = 1 << 16
"""Spectra copied at a time where all of them would need as much memory again."""


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
        predicted = np.empty(len(flux), np.float32)
        for start in range(0, len(flux), _ROWS_AT_ONCE):
            chunk = slice(start, start + _ROWS_AT_ONCE)
            scaled = self.scaler.transform(flux[chunk])[..., np.newaxis]
            predicted[chunk] = self.network.predict(scaled, batch_size=PREDICTION_BATCH, verbose=0)[:, 0]
        return predicted


def fit(
    dataset: Dataset,
    parts: Split,
    recipe: Recipe,
    folder: Path,
    *,
    start: Start | None = None,
    tell: Callable[[Epoch], None] | None = None,
) -> Fitted:
    """Train until the epochs or the patience are used up, going on where an earlier run in `folder` stopped.

    Parameters
    ----------
    dataset : Dataset
    parts : Split
    recipe : Recipe
    folder : Path
        The run folder: checkpoints, ``history.csv``, ``recipe.json``.
    start : Start, optional
        The weights and the scaler to start from.
    tell : callable, optional
        Told of each epoch, also of those that an earlier run finished.

    Returns
    -------
    Fitted

    Raises
    ------
    InvalidInputError
        If `folder` holds a run of another recipe or other data, the network of `start` is not the recipe's, or the
        loss is no longer finite.
    """
    make_repeatable(recipe.seed)
    run = Run(folder, recipe, dataset)

    # The dissertation fitted its scaler before the split; here nothing is learnt from the other parts. A network that
    # was trained before keeps its scaler: its weights know no other scale.
    scaler = start.scaler if start else fit_scaler(dataset.flux, parts.train)
    validation = (scale(scaler, dataset.flux, parts.validation), dataset.redshift[parts.validation])

    tell = tell or (lambda _row: None)
    network = run.network(start)
    loop = Loop(network, recipe, validation)
    with Progress(recipe.epochs, steps_per_epoch=-(-len(parts.train) // recipe.batch_size)) as progress:
        progress.say_start(parts.counts(), done=len(run.history))
        for row in run.history:
            tell(row)
        while not run.finished:
            epoch = len(run.history) + 1
            order = np.random.default_rng([recipe.seed, epoch]).permutation(parts.train)
            started = time.monotonic()
            measured = loop.epoch(
                scale(scaler, dataset.flux, order), dataset.redshift[order], progress.callbacks(epoch)
            )
            row = Epoch.measured(epoch, measured, time.monotonic() - started)
            run.record(row, network)
            progress.say_epoch(row, best=run.best.epoch == epoch)
            tell(row)

    return Fitted(run.best_network(), scaler, recipe, tuple(run.history), run.best.epoch)


def make_repeatable(seed: int) -> None:
    """Make everything drawn from now on follow from the seed, and every sum be added in the same order."""
    keras.utils.set_random_seed(seed)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()


def fit_scaler(flux: FloatArray, rows: Rows) -> Any:
    """Return a MinMaxScaler of some rows of the spectra, without a copy of them all."""
    scaler = MinMaxScaler()
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        scaler.partial_fit(flux[rows[start : start + _ROWS_AT_ONCE]])
    return scaler


def scale(scaler: Any, flux: FloatArray, rows: Rows) -> FloatArray:
    """Return some rows as the network takes them, shape (n, 186, 1): one copy, made and scaled in place."""
    scaled = flux[rows]
    scaled *= scaler.scale_
    scaled += scaler.min_
    return scaled[..., np.newaxis]
