"""A recipe: every choice that makes a network out of a data set. Imports `errors` of the project.

The recipe is written into the run folder before training starts and into the bundle when it ends, so that a model
always travels with the way it was made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from gaia_redshift.errors import Detail, InvalidInputError, suggestion

_Kind = TypeVar("_Kind", bound=BaseModel)

RECIPE_FILE = "recipe.json"
HISTORY_FILE = "history.csv"
"""What a training leaves in its run folder and in the bundle, beside the weights."""


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
    start: str | None = None
    """The bundle whose weights and scaler the training starts from: name@version and the SHA-256 of its network."""


DEFAULT = "dissertation"
DENSITY = "density"
"""The recipe that `training.density.recipe` knows."""

RECIPES: Mapping[str, Recipe] = {DEFAULT: Recipe()}
"""Recipes by name."""


def choose(wanted: str) -> Recipe:
    """Return a recipe by its name, or from a JSON file such as a bundle's or a tuning's.

    Parameters
    ----------
    wanted : str
        One of `RECIPES`, or the path of a file.

    Raises
    ------
    InvalidInputError
        If there is neither, or the file is no recipe.
    """
    if wanted in RECIPES:
        return RECIPES[wanted]
    path = Path(wanted)
    if not path.is_file():
        names = (*RECIPES, DENSITY)
        raise InvalidInputError(
            f"{wanted} is neither a recipe ({', '.join(names)}) nor a file that holds one; {suggestion(wanted, names)}"
        )
    return read_recipe(path)


def read_recipe(path: Path) -> Recipe:
    """Read a recipe from JSON; raises InvalidInputError where it is none."""
    return parse(path, Recipe, "recipe")


def parse(path: Path, kind: type[_Kind], name: str) -> _Kind:
    """Read a file of JSON as what it should be; raises InvalidInputError with the places where it is not."""
    try:
        return kind.model_validate_json(path.read_bytes())
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        details = [Detail(".".join(map(str, one["loc"])) or "content", one["msg"]) for one in problems]
        raise InvalidInputError(f"{path} is no {name} of this version", details) from error
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error


def with_changes(recipe: Recipe, changes: Mapping[str, object], start: str | None) -> Recipe:
    """Return the recipe with the entries that are not None changed, and with what its training starts from.

    Raises
    ------
    InvalidInputError
        If the recipe starts from a bundle and `start` is not it.
    """
    if recipe.start and start is None:
        raise InvalidInputError(f"recipe {recipe.name} starts from {recipe.start}: add --init with that bundle")
    given = {name: value for name, value in changes.items() if value is not None}
    return recipe.model_copy(update={**given, "start": start})
