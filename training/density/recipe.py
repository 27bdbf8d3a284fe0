"""Every choice of the `density` recipe. Imports `recipe`.

The defaults are the outcome of the trials in docs/explanation/density-network.md.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
)

from training.recipe import parse

NAME = "density"

REDSHIFT_LIMIT = 0.6
"""The bins reach from 0 to here."""


class DensityRecipe(BaseModel):
    """Network, loss, optimiser and schedule."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    output: Literal["density"] = "density"
    """Tells a recipe file of this kind from one of a point network."""
    name: str = NAME
    bins: int = Field(default=120, ge=2)
    label_width: PositiveFloat = 0.004
    """Standard deviation of the Gaussian that a true redshift becomes: neighbouring bins are not unrelated classes."""
    whitened: NonNegativeInt = 75
    """Coordinates that the shape is turned into first, at most: its principal components, but for those that hardly
    vary; 0 for none."""
    width: PositiveInt = 256
    """Of the stream that the blocks add to."""
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
    """Of the matrices that Muon moves, in units of the learning rate."""
    batch_size: PositiveInt = 2048
    epochs: PositiveInt = 7
    patience: PositiveInt = 5
    """Training stops after this many epochs without a lower validation loss; the best weights are kept."""
    seed: int = Field(default=4, ge=0, lt=2**32)
    """Of the first weights, of the order of the batches and of the mixture behind the flags."""

    def changed(self, changes: Mapping[str, object]) -> "DensityRecipe":
        """Return the recipe with the entries that are not None changed."""
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})


def choose(wanted: str | None) -> DensityRecipe | None:
    """Return the recipe that a name or a JSON file stands for, or None where it is not one for a density."""
    if wanted == NAME:
        return DensityRecipe()
    if wanted is None or not Path(wanted).is_file():
        return None
    try:
        content = json.loads(Path(wanted).read_bytes())
    except (OSError, ValueError):  # the reader of point recipes says what is wrong
        return None
    dense = isinstance(content, dict) and content.get("output") == "density"
    return read_recipe(Path(wanted)) if dense else None


def read_recipe(path: Path) -> DensityRecipe:
    """Read a recipe from JSON; raises InvalidInputError where it is none."""
    return parse(path, DensityRecipe, "recipe of a density")
