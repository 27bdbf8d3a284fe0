"""The `linear` recipe: a redshift linear in the shape and the brightness of a spectrum. Keras.

A baseline to compare networks with. A least-squares fit to more than the principal components would follow noise, so
the shape is whitened as for the `density` recipe. Training takes two minutes.
"""

from typing import ClassVar, Literal

import keras
from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt

from training.recipes.recipe import Description, Network, PointRecipe, Schedule, Seen
from training.recipes.shape import shape_and_brightness, standardise


class LinearRecipe(PointRecipe):
    """One linear unit on principal components of the shape, and on the brightness."""

    resumable: ClassVar = frozenset({"patience"})
    """The learning rate is planned over all epochs, which therefore stay."""

    network: Literal["linear"] = "linear"
    """Tells a recipe file of this kind from others."""
    name: str = "linear"
    whitened: PositiveInt = 40
    """Principal components of the shape, at most."""
    ridge: NonNegativeFloat = 1e-5
    """Penalty on the squares of the coefficients."""
    optimizer: Literal["adam", "sgd"] = "adam"
    loss: Literal["huber", "mean_squared_error", "mean_absolute_error"] = "mean_absolute_error"
    learning_rate: PositiveFloat = 1e-2
    """At the start; a cosine takes it to zero."""
    batch_size: PositiveInt = 256
    epochs: PositiveInt = 20

    def build(self, seen: Seen | None = None) -> Network:
        """Return an uncompiled network: principal components and brightness to one redshift."""
        scaled, described = shape_and_brightness(self.whitened)
        unit = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(self.ridge), name="redshift")
        network = keras.Model(scaled, unit(described), name=self.name.replace("-", "_"))
        if seen is not None:
            standardise(network, seen)
        return network

    def schedule(self, steps: int) -> Schedule:
        """Return a learning rate that falls to zero, without which the coefficients would not settle."""
        return keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)

    def describe(self) -> Description:
        """Return the recipe in words."""
        return Description(
            title=f"Linear regression of the {self.name} recipe",
            network=f"one linear unit on {self.whitened} principal components of the shape and on the brightness",
            training=f"{self.optimizer} {self.learning_rate:g} with a cosine to its end, {self.loss}, "
            f"ridge {self.ridge:g}, batch {self.batch_size}, seed {self.seed}",
            scaling="; undone inside the network, which divides a spectrum by its root mean square",
            failures="A linear fit draws rare redshifts towards the crowded ones.",
        )
