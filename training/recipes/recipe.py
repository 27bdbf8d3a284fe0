"""The base of every recipe: the parameters of a training, and the five steps that differ. Keras.

Training and release know recipes by this class alone; only the search of `tune` is for one of them, `CnnRecipe`. A new
recipe is a subclass in a file of its own and an entry in `training.recipes.choose`. Its fields are written into the run
folder before training starts and into the bundle when it ends.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import FloatArray
from training.calibration.intervals import Held, calibrate
from training.calibration.quality import LEARNING_ROWS, learn
from training.data.material import Material, Sample
from training.recipes import SEED

Network: TypeAlias = Any
"""A keras.Model; Keras has no types."""
Layer: TypeAlias = Any
Schedule: TypeAlias = Any
"""A learning rate, or one of Keras' schedules of it."""
Scaler: TypeAlias = Any
"""A MinMaxScaler; scikit-learn has no types."""

Wanted = Callable[[Sample], tuple[object, ...]]
"""Returns the targets of some rows, and their weights."""

Output = Callable[[FloatArray], Mapping[str, FloatArray]]
"""A trained network: from raw spectra, shape (n, 186), to its outputs by name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Spectra that a new network is adapted to before it is trained."""

    flux: FloatArray
    """Galaxies of the training part, shape (n, 186), e-/s per sample."""
    scaler: Scaler
    """What the network's inputs are scaled by."""


@dataclass(frozen=True, slots=True)
class Description:
    """A recipe in words, for the card."""

    title: str
    """As in "Convolutional network of the dissertation recipe"."""
    network: str
    training: str
    scaling: str = ""
    """What the network does with its scaled input, where it does anything."""
    answer: str = ""
    """What the model gives besides a redshift."""
    failures: str = "A network that minimises its error draws rare redshifts towards the crowded ones."


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """One epoch of scaled spectra, made as they are needed: rows in an order of shape (n,), in batches of a size."""

    def __init__(self, sample: Sample, scaler: Scaler, wanted: Wanted, order: NDArray[np.intp], size: int) -> None:
        super().__init__()
        self._sample, self._wanted, self._order, self._size = sample, wanted, order, size
        self._scale, self._offset = np.float32(scaler.scale_), np.float32(scaler.min_)

    def __len__(self) -> int:
        return (len(self._order) + self._size - 1) // self._size

    def __getitem__(self, index: int) -> tuple[object, ...]:
        batch = self._sample.rows(self._order[index * self._size : (index + 1) * self._size])
        scaled = batch.flux * self._scale + self._offset
        return (scaled[..., np.newaxis], *self._wanted(batch))


LEAST_VALIDATION_BATCH = 256
"""Large enough to be fast, small enough that the activations of one batch stay below 150 MB."""


SCALED_ROWS = 1 << 16
"""Spectra copied at a time, to save memory."""


def fit_scaler(material: Material) -> Scaler:
    """Return a MinMaxScaler of the galaxies of the training part.

    The dissertation fitted its scaler before the split; here nothing is learnt from the other parts.
    """
    scaler = MinMaxScaler()
    for galaxies in material.galaxies:
        rows = galaxies.parts.train
        for start in range(0, len(rows), SCALED_ROWS):
            scaler.partial_fit(galaxies.dataset.flux[rows[start : start + SCALED_ROWS]])
    return scaler


def flux_range(material: Material, scaler: Scaler) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest of each flux that a network was trained on, each of shape (186,).

    A scaler that came with an earlier training has seen other spectra; the network has learnt from both.
    """
    seen = fit_scaler(material)
    return np.minimum(scaler.data_min_, seen.data_min_), np.maximum(scaler.data_max_, seen.data_max_)


class Recipe(BaseModel):
    """Schedule and seed, which all recipes share, and the five steps that each defines."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: ClassVar[tuple[str, ...]] = ()
    """Files that its training needs besides the survey: ``balance``, ``contaminants``."""
    resumable: ClassVar[frozenset[str]] = frozenset({"epochs", "patience"})
    """Fields that may change when a run goes on."""
    validation_rows: ClassVar[int | None] = None
    """About so many rows of the validation part rank the epochs; all if None."""

    name: str
    learning_rate: PositiveFloat = 1e-3
    batch_size: PositiveInt = 16
    epochs: PositiveInt = 20
    patience: PositiveInt = 5
    """Training stops after this many epochs without a lower validation loss; the best weights are kept."""
    seed: int = Field(default=SEED, ge=0, lt=2**32)
    """Random seed of the split, the initial weights, the order of the batches and the quality flags."""
    start: str | None = None
    """The bundle whose weights and scaler the training starts from: name@version and the SHA-256 of its network."""

    @property
    def bin_edges(self) -> NDArray[np.float64] | None:
        """Edges of a density's bins, shape (bins + 1,); None where the network gives one redshift."""
        return None

    @abstractmethod
    def build(self, seen: Seen | None = None) -> Network:
        """Return an uncompiled network, from min-max scaled fluxes, shape (n, 186, 1), to its outputs.

        Without `seen`, weights that depend on the training spectra are left to be loaded.
        """

    @abstractmethod
    def compile(self, network: Network, steps: int) -> None:
        """Attach optimiser, loss and a metric whose name ends in `mean_absolute_error`, for so many steps in all."""

    @abstractmethod
    def wanted(self, sample: Sample) -> tuple[object, ...]:
        """Return what the network shall answer for a batch, and the weights of its rows where they differ."""

    def batches(self, sample: Sample, scaler: Scaler, epoch: int | None = None) -> Batches:
        """Return one epoch of batches, in an order that follows from seed and epoch alone; None keeps the order."""
        if epoch is None:
            size = max(self.batch_size, LEAST_VALIDATION_BATCH)
            return Batches(sample, scaler, self.wanted, np.arange(len(sample)), size)
        order = np.random.default_rng([self.seed, epoch]).permutation(len(sample))
        return Batches(sample, scaler, self.wanted, order, self.batch_size)

    @abstractmethod
    def calibrate(self, output: Output, material: Material, scaler: Scaler) -> Calibration:
        """Learn intervals and quality flags from the validation parts."""

    @abstractmethod
    def describe(self) -> Description:
        """Return the recipe in words."""

    def changed(self, changes: Mapping[str, object]) -> "Recipe":
        """Return the recipe with the entries that are not None changed."""
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})


class PointRecipe(Recipe):
    """A network from a spectrum to one redshift, shape (n, 1)."""

    optimizer: str
    loss: str

    def schedule(self, steps: int) -> Schedule:  # noqa: ARG002 - a constant rate
        """Return the learning rate, for so many steps in all."""
        return self.learning_rate

    def compile(self, network: Network, steps: int) -> None:
        """Attach optimiser and loss, and the mean absolute error as metric.

        With TensorFlow on a CPU, XLA halves the speed of small convolutions (400 against 800 spectra/s on two cores,
        batch 16), so it is switched off; JAX cannot do without.
        """
        optimizer = keras.optimizers.get(self.optimizer)
        optimizer.learning_rate = self.schedule(steps)
        network.compile(
            optimizer=optimizer,
            loss=self.loss,
            metrics=["mean_absolute_error"],
            jit_compile=keras.backend.backend() != "tensorflow",
            steps_per_execution=8,
        )

    def wanted(self, sample: Sample) -> tuple[FloatArray]:
        """Return the redshifts, shape (n, 1)."""
        return (sample.redshift[:, np.newaxis],)

    def calibrate(self, output: Output, material: Material, scaler: Scaler) -> Calibration:
        """Learn offsets from the errors of the survey's validation part."""
        survey = material.survey
        flux, true = survey.flux("validation"), survey.redshift("validation")
        predicted = output(flux)["redshift"]
        quality = learn(material.some_flux(LEARNING_ROWS, self.seed), flux, None, self.seed)
        held = Held(flux, predicted, true - predicted)
        return calibrate({"survey": held}, 0.0, flux_range(material, scaler), quality)
