"""The dissertation's convolutional network (Kiraleos 2023), from a spectrum to one redshift. Keras.

No Lambda layer: a bundle's ``model.keras`` must load in Keras' safe mode.
"""

from typing import Literal

import keras
from pydantic import BaseModel, ConfigDict, PositiveInt

from gaia_redshift.spectra import DR3
from training.recipes.recipe import Description, Network, PointRecipe, Seen


class Convolution(BaseModel):
    """One convolution over the spectrum, followed by max pooling over pairs of samples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filters: PositiveInt
    kernel: PositiveInt
    """Width of the kernel, in samples of its input."""


class CnnRecipe(PointRecipe):
    """Network, optimiser and schedule; the defaults are the dissertation's (table 2 and chapter 4).

    The network is `convolutions`, each pooled, then flattened, then `dense` layers, then one linear unit.
    """

    name: str = "dissertation"
    convolutions: tuple[Convolution, ...] = (
        Convolution(filters=256, kernel=5),
        Convolution(filters=256, kernel=5),
        Convolution(filters=128, kernel=3),
        Convolution(filters=64, kernel=2),
    )
    dense: tuple[PositiveInt, ...] = (256, 256, 128, 64)
    activation: Literal["relu", "elu", "gelu", "silu", "tanh"] = "relu"
    optimizer: Literal["adamax", "adam", "sgd"] = "adamax"
    loss: Literal["huber", "mean_squared_error", "mean_absolute_error"] = "huber"

    def build(self, seen: Seen | None = None) -> Network:  # noqa: ARG002 - its first weights are drawn
        """Return an uncompiled network; the defaults give the 699,073 parameters of table 2.

        Raises ValueError if the convolutions leave nothing of the 186 samples.
        """
        network = keras.Sequential(name=self.name.replace("-", "_"))
        network.add(keras.Input((DR3.samples, 1), name="scaled_flux"))
        for each in self.convolutions:
            network.add(keras.layers.Conv1D(each.filters, each.kernel, activation=self.activation))
            network.add(keras.layers.MaxPooling1D())
        network.add(keras.layers.Flatten())
        for units in self.dense:
            network.add(keras.layers.Dense(units, activation=self.activation))
        network.add(keras.layers.Dense(1, name="redshift"))
        return network

    def describe(self) -> Description:
        """Return the recipe in words."""
        convolutions = ", ".join(f"{each.filters} x {each.kernel}" for each in self.convolutions)
        return Description(
            title=f"Convolutional network of the {self.name} recipe",
            network=f"convolutions {convolutions}, each pooled in pairs; "
            f"dense {', '.join(map(str, self.dense))}, 1; {self.activation}",
            training=f"{self.optimizer} {self.learning_rate:g}, {self.loss}, batch {self.batch_size}, seed {self.seed}",
        )
