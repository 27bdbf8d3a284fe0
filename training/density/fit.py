"""Train a density network by its recipe. Imports `batches`, `network`, and the run folder of `training`.

Read `fit` from top to bottom: it is the recipe. As with point networks, an interrupted run ends with the same weights
as one that was not.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.spectra import FloatArray
from training.density.batches import Batches, soft_labels
from training.density.data import Material, Sample
from training.density.network import build, compile_for_training, standardise
from training.density.recipe import DensityRecipe, read_recipe
from training.fit import make_repeatable
from training.progress import Progress
from training.run import BEST_FILE, Epoch, Run

VALIDATION_ROWS = 20_000
"""Enough to rank epochs; the whole validation part serves the calibration."""

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class FittedDensity:
    """A trained network and what belongs to it."""

    network: Any
    """Keras network with the best epoch's weights, scaled fluxes in."""
    scaler: Any
    """MinMaxScaler fitted on the galaxies of the training parts."""
    recipe: DensityRecipe
    prior_train: NDArray[np.float64]
    """Probability per bin of the redshifts trained on, shape (bins,)."""
    prior_survey: NDArray[np.float64]
    """The same of the survey."""
    history: tuple[Epoch, ...]
    best_epoch: int

    def output(self, flux: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return `density` (n, bins) and `kind` (n, kinds) of raw spectra in e-/s per sample, shape (n, 186)."""
        found: dict[str, list[FloatArray]] = {"density": [], "kind": []}
        for start in range(0, len(flux), _ROWS_AT_ONCE):
            scaled = self.scaler.transform(flux[start : start + _ROWS_AT_ONCE])[..., np.newaxis]
            answer = self.network.predict(scaled, batch_size=512, verbose=0)
            for name, parts in found.items():
                parts.append(np.asarray(answer[name], np.float32))
        return np.concatenate(found["density"]), np.concatenate(found["kind"])


def fit(material: Material, recipe: DensityRecipe, folder: Path) -> FittedDensity:
    """Train until the epochs or the patience are used up, going on where an earlier run in `folder` stopped.

    Parameters
    ----------
    material : Material
    recipe : DensityRecipe
    folder : Path
        The run folder: checkpoints, ``history.csv``, ``recipe.json``.

    Returns
    -------
    FittedDensity

    Raises
    ------
    InvalidInputError
        If `folder` holds a run of another recipe or other data, or the loss is no longer finite.
    """
    make_repeatable(recipe.seed)
    train = material.train()
    galaxies = train.galaxies
    scaler = MinMaxScaler().fit(galaxies.flux)
    validation = Batches(material.validation(VALIDATION_ROWS), scaler, recipe)
    steps = -(-len(train) // recipe.batch_size)

    def fresh() -> Any:
        network = build(recipe)
        standardise(network, scaler, galaxies.flux)
        compile_for_training(network, recipe, steps * recipe.epochs)
        return network

    run = DensityRun(folder, recipe, material)
    network = run.network() if run.history else fresh()
    with Progress(recipe.epochs, steps_per_epoch=steps) as progress:
        progress.say_start(_counts(train, material), done=len(run.history))
        while not run.finished:
            epoch = len(run.history) + 1
            started = time.monotonic()
            _seed_dropout(network, recipe.seed, epoch)
            measured = network.fit(
                Batches(train, scaler, recipe, epoch),
                shuffle=False,
                validation_data=validation,
                callbacks=progress.callbacks(epoch),
                verbose=0,
            ).history
            row = Epoch.measured(epoch, measured, time.monotonic() - started, error="density_mean_absolute_error")
            run.record(row, network)
            progress.say_epoch(row, best=run.best.epoch == epoch)

    return FittedDensity(
        run.best_network(),
        scaler,
        recipe,
        prior_train=prior(galaxies.redshift, recipe),
        prior_survey=prior(material.survey.redshift[material.parts.train], recipe),
        history=tuple(run.history),
        best_epoch=run.best.epoch,
    )


def _seed_dropout(network: Any, seed: int, epoch: int) -> None:
    """Let the units that are dropped follow from seed and epoch alone: a network that was loaded has forgotten them."""
    dropouts = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout) and layer.rate > 0]
    for number, layer in enumerate(dropouts):
        layer.seed_generator.state.assign([seed + number, epoch])


class DensityRun(Run):
    """The run folder of a density network, whose learning rate is planned over all epochs."""

    def _goes_on(self, begun: Path) -> bool:
        return bool(read_recipe(begun).model_copy(update={"patience": self.recipe.patience}) == self.recipe)

    def best_network(self) -> Any:
        """Return the network of the best epoch, without optimiser."""
        network = build(self.recipe)
        network.load_weights(self.folder / BEST_FILE)
        return network


def prior(redshift: FloatArray, recipe: DensityRecipe) -> NDArray[np.float64]:
    """Return how redshifts are distributed over the bins: the mean of their soft labels, positive, sum one.

    The labels' width must be in the prior as well: the network learns both from the same smoothed redshifts.
    """
    total = np.zeros(recipe.bins)
    for start in range(0, len(redshift), _ROWS_AT_ONCE):
        total += soft_labels(redshift[start : start + _ROWS_AT_ONCE], recipe).sum(axis=0, dtype=np.float64)
    # A hundredth of a galaxy per bin: a bin that no galaxy fell in is unlikely, not impossible.
    total += 0.01
    return np.asarray(total / total.sum())


def _counts(train: Sample, material: Material) -> dict[str, int]:
    galaxies = int((train.kind == 0).sum())
    return {
        "train": galaxies,
        "other": len(train) - galaxies,
        "validation": len(material.parts.validation) + len(material.balance_parts.validation),
        "test": len(material.parts.test),
    }
