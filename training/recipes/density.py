"""The `density` recipe: a probability density over redshift, and the probability of each kind of source. Keras.

It learns from a survey, from galaxies of all redshifts and from sources that are not galaxies.
docs/explanation/density-network.md has the trials behind the defaults.
"""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt
from scipy.special import ndtr

from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.spectra import FloatArray
from training.calibration.intervals import Held, calibrate
from training.calibration.quality import LEARNING_ROWS, learn
from training.calibration.reference import cumulative_at, posterior, quantile
from training.data.dataset import REDSHIFT_RANGE
from training.data.kinds import KINDS
from training.data.material import Material, Sample
from training.recipes.recipe import Description, Network, Output, Recipe, Scaler, Schedule, Seen, flux_range
from training.recipes.shape import shape_and_brightness, standardise

REDSHIFT_LIMIT = REDSHIFT_RANGE[1]
"""The bins reach from 0 to here."""

ADAM_RATIO = 0.3
ADAM_DECAY = 1e-4
"""Learning rate, as a share of Muon's, and weight decay of what AdamW moves beside it."""

OPTIMISERS = {"muon": "Muon", "adamw": "AdamW"}

_ROWS_AT_ONCE = 1 << 14

Column = NDArray[np.float64]
Optimizer: TypeAlias = Any


class DensityRecipe(Recipe):
    """Network, loss, optimiser and schedule."""

    needs: ClassVar = ("balance", "contaminants")
    resumable: ClassVar = frozenset({"patience"})
    """The learning rate is planned over all epochs, which therefore stay."""
    validation_rows: ClassVar = 20_000
    """Enough to rank epochs; the whole validation part serves the calibration."""

    output: Literal["density"] = "density"
    """Tells a recipe file of this kind from one of a point network."""
    name: str = "density"
    bins: int = Field(default=120, ge=2)
    label_width: PositiveFloat = 0.004
    """Standard deviation of the Gaussian that a true redshift becomes: neighbouring bins are similar."""
    whitened: NonNegativeInt = 75
    """Principal components of the shape, at most, that the network gets; 0 for the shape itself."""
    width: PositiveInt = 256
    """Width of the stream that the blocks add to."""
    hidden: PositiveInt = 768
    """Units inside each block."""
    blocks: PositiveInt = 3
    dropout: float = Field(default=0.0, ge=0, lt=1)
    kind_weight: NonNegativeFloat = 0.2
    """Weight of the loss of the kind beside that of the redshift."""
    optimizer: Literal["muon", "adamw"] = "muon"
    """Muon (Jordan 2024; Liu et al. 2025, arXiv:2502.16982) moves all directions of a matrix alike; the answers' layers
    and all vectors follow AdamW."""
    learning_rate: PositiveFloat = 5e-3
    """At its highest: a third of an epoch of warming up, then a cosine down to a hundredth."""
    weight_decay: NonNegativeFloat = 0.1
    """Weight decay of the matrices that Muon moves, in units of the learning rate."""
    batch_size: PositiveInt = 2048
    epochs: PositiveInt = 7

    @property
    def bin_edges(self) -> Column:
        """Edges of the bins, shape (bins + 1,)."""
        return np.linspace(0, REDSHIFT_LIMIT, self.bins + 1).round(9)

    def build(self, seen: Seen | None = None) -> Network:
        """Return an uncompiled network with two outputs for min-max scaled fluxes, shape (n, 186, 1).

        `density` is the probability per bin of redshift, shape (n, bins), `kind` that per kind of source, shape (n, 5).
        """
        scaled, described = shape_and_brightness(self.whitened)
        stream = keras.layers.Dense(self.width)(described)
        for _ in range(self.blocks):
            inside = keras.layers.Dense(self.hidden, activation="relu")(keras.layers.LayerNormalization()(stream))
            inside = keras.layers.Dense(self.width)(keras.layers.Dropout(self.dropout)(inside))
            stream = keras.layers.Add()([stream, inside])
        stream = keras.layers.LayerNormalization()(stream)
        outputs = {
            "density": keras.layers.Dense(self.bins, activation="softmax", name="density")(stream),
            "kind": keras.layers.Dense(len(KINDS), activation="softmax", name="kind")(stream),
        }
        network = keras.Model(scaled, outputs, name=self.name.replace("-", "_"))
        if seen is not None:
            standardise(network, seen)
        return network

    def compile(self, network: Network, steps: int) -> None:
        """Attach the optimiser, whose learning rate follows a cosine over `steps` steps, and the losses.

        XLA is off for the reason given in `PointRecipe.compile`.
        """
        warmup = max(1, steps // (3 * self.epochs))
        schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.05 * self.learning_rate,
            decay_steps=max(1, steps - warmup),
            alpha=0.01,
            warmup_target=self.learning_rate,
            warmup_steps=warmup,
        )
        network.compile(
            optimizer=self._optimizer(schedule),
            loss={"density": "categorical_crossentropy", "kind": "categorical_crossentropy"},
            loss_weights={"density": 1.0, "kind": self.kind_weight},
            weighted_metrics={"density": [mean_absolute_error]},
            jit_compile=keras.backend.backend() != "tensorflow",
            steps_per_execution=8,
        )

    def _optimizer(self, schedule: Schedule) -> Optimizer:
        common = {"weight_decay": self.weight_decay, "clipnorm": 1.0}
        if self.optimizer == "adamw":
            return keras.optimizers.AdamW(schedule, **common)
        # Muon is for matrices between layers, not for the answers.
        others = {"adam_lr_ratio": ADAM_RATIO, "adam_weight_decay": ADAM_DECAY, "exclude_layers": ["density", "kind"]}
        return keras.optimizers.Muon(schedule, **common, **others)

    def wanted(self, sample: Sample) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
        """Return soft labels and kinds, and the weight of each row in both."""
        galaxy = sample.kind == 0
        wanted = {
            # A source that is not a galaxy has no redshift: its label has no weight.
            "density": self.soft_labels(np.where(galaxy, sample.redshift, np.float32(0))),
            "kind": np.eye(len(KINDS), dtype=np.float32)[sample.kind],
        }
        return wanted, {"density": galaxy.astype(np.float32), "kind": np.ones(len(sample), np.float32)}

    def soft_labels(self, redshift: FloatArray) -> FloatArray:
        """Return redshifts as densities, shape (n, bins): Gaussians integrated over the bins, cut off at the ends."""
        below = ndtr((self.bin_edges - redshift.astype(np.float64)[:, None]) / self.label_width)
        share = np.diff(below, axis=1)
        return np.asarray(share / share.sum(axis=1, keepdims=True), np.float32)

    def prior(self, redshift: FloatArray) -> Column:
        """Return how redshifts are distributed over the bins: the mean of their soft labels, positive, sum one.

        Like the network's targets it is smoothed by the labels' width.
        """
        total = np.zeros(self.bins)
        for rows in _chunks(len(redshift)):
            total += self.soft_labels(redshift[rows]).sum(axis=0, dtype=np.float64)
        total += 0.01  # of a galaxy per bin, so that no bin has the probability zero
        return np.asarray(total / total.sum())

    def calibrate(self, output: Output, material: Material, scaler: Scaler) -> Calibration:
        """Learn levels of the densities from the validation parts.

        The survey's galaxies serve its own prior, the balanced ones the flat prior.
        """
        trained, survey = self.prior(material.redshift("train")), self.prior(material.survey.redshift("train"))
        priors: dict[PriorName, Column] = {"survey": survey, "flat": np.full(self.bins, 1 / self.bins)}
        held: dict[PriorName, Held] = {}
        kinds = []
        for (name, prior), galaxies in zip(priors.items(), material.galaxies, strict=True):
            flux, true = galaxies.flux("validation"), galaxies.redshift("validation")
            found = output(flux)
            kinds.append(found["kind"])
            held[name] = Held(flux, *self.estimates(found["density"], true, prior, trained))
        seen = material.some_flux(LEARNING_ROWS, self.seed)
        quality = learn(seen, held["survey"].flux, kinds[0], self.seed, held["flat"].flux)
        of_density = {"kinds": list(KINDS), "prior_train": trained.tolist(), "prior_survey": survey.tolist()}
        return calibrate(held, 0.5, flux_range(material, scaler), quality, **of_density)

    def estimates(
        self, density: FloatArray, true: FloatArray, prior: Column, prior_train: Column
    ) -> tuple[Column, Column]:
        """Return medians under a prior, and the probability below the true redshifts, each of shape (n,)."""
        edges = self.bin_edges
        median, level = np.empty(len(true)), np.empty(len(true))
        for rows in _chunks(len(true)):
            densities = posterior(density[rows], prior, prior_train)
            median[rows] = quantile(densities, edges, 0.5)
            level[rows] = cumulative_at(densities, edges, true[rows])
        return median, level

    def describe(self) -> Description:
        """Return the recipe in words."""
        whitened = ", in principal components of unit variance," if self.whitened else ""
        return Description(
            title=f"Redshift densities by the {self.name} recipe",
            network=f"{self.blocks} residual blocks of {self.hidden} hidden units "
            f"on a stream of {self.width}; softmax over {self.bins} bins of redshift and over kinds of source",
            training=f"{OPTIMISERS[self.optimizer]} {self.learning_rate:g} with a cosine to its end, "
            f"cross-entropy with labels {self.label_width:g} wide, batch {self.batch_size}, "
            f"dropout {self.dropout:g}, seed {self.seed}",
            scaling=f"; undone inside the network, which splits a spectrum into its shape{whitened} and brightness",
            answer="It also gives the probability density of redshift, under the prior asked for: `survey` (the "
            "redshifts of the training\nsurvey), `flat`, or a table of your own; the redshift is the median of that "
            "density.",
            failures="Under the survey's prior rare redshifts are drawn towards the crowded ones, as that prior asks; "
            "under the flat prior the scatter is larger and the bias smaller.",
        )


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, start + _ROWS_AT_ONCE) for start in range(0, count, _ROWS_AT_ONCE))


@keras.saving.register_keras_serializable("gaia_redshift")  # type: ignore[untyped-decorator]
def mean_absolute_error(wanted: Tensor, found: Tensor) -> Tensor:
    """Return the distance of two densities' mean redshifts, shape (n,)."""
    bins = found.shape[-1]
    centre = keras.ops.convert_to_tensor((np.arange(bins, dtype=np.float32) + np.float32(0.5)) * REDSHIFT_LIMIT / bins)
    return keras.ops.abs(keras.ops.sum((found - wanted) * centre, axis=-1))
