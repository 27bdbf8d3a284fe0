"""A recipe: every choice that makes a network out of a data set. Imports nothing of the project.

The recipe is written into the run folder before training starts and into the bundle when it ends, so that a model
always travels with the way it was made.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt

RECIPE_FILE = "recipe.json"


class Convolution(BaseModel):
    """One convolution over the spectrum, followed by max pooling over pairs of samples."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    filters: PositiveInt
    kernel: PositiveInt
    """Width of the kernel, in samples of its input."""


class Recipe(BaseModel):
    """Network, optimiser and schedule; the defaults are the dissertation's (Kiraleos 2023, table 2 and chapter 4).

    The network is `convolutions`, each pooled, then flattened, then `dense` layers, then one linear unit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

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
    learning_rate: PositiveFloat = 1e-3
    loss: Literal["huber", "mean_squared_error", "mean_absolute_error"] = "huber"
    batch_size: PositiveInt = 16
    epochs: PositiveInt = 20
    patience: PositiveInt = 5
    """Training stops after this many epochs without a lower validation loss; the best weights are kept."""
    seed: int = Field(default=4, ge=0, lt=2**32)
    """Of the split, the first weights and the order of the batches; 4 is the dissertation's."""
