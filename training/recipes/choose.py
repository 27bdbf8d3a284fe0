"""Recipes by name and from files. Imports every recipe; Keras."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import from_json

from gaia_redshift.errors import Detail, InvalidInputError, suggestion
from training.recipes import NAMES
from training.recipes.cnn import CnnRecipe
from training.recipes.density import DensityRecipe
from training.recipes.linear import LinearRecipe
from training.recipes.recipe import Recipe

RECIPES: Mapping[str, type[Recipe]] = {"dissertation": CnnRecipe, "density": DensityRecipe, "linear": LinearRecipe}


def choose(wanted: str) -> Recipe:
    """Return one of `RECIPES` by its name, or a recipe from a JSON file such as a bundle's or a tuning's.

    Raises InvalidInputError if there is neither, or the file is not a recipe.
    """
    if wanted in RECIPES:
        return RECIPES[wanted].model_validate({})
    path = Path(wanted)
    if not path.is_file():
        raise InvalidInputError(
            f"{wanted} is neither a recipe ({', '.join(NAMES)}) nor a file that holds one; {suggestion(wanted, NAMES)}"
        )
    try:
        return parse(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error


def parse(content: bytes, name: str) -> Recipe:
    """Read a recipe from JSON; raises InvalidInputError, which says `name`, with the places where it is not one."""
    try:
        held = from_json(content)
    except ValueError:
        held = None  # the model below says where the JSON ends
    # Files of the first two kinds are older than the field `network`.
    kind = held.get("network") or held.get("output") if isinstance(held, dict) else None
    recipe = RECIPES.get(kind, CnnRecipe) if isinstance(kind, str) else CnnRecipe
    try:
        return recipe.model_validate_json(content)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_input=False)
        details = [Detail(".".join(map(str, one["loc"])) or "content", one["msg"]) for one in problems]
        raise InvalidInputError(f"{name} is not a recipe of this version", details) from error
