"""Recipes by name and from files; no network is made here."""

from pathlib import Path

import pytest

from gaia_redshift.errors import InvalidInputError
from training.recipes import NAMES
from training.recipes.choose import RECIPES, choose
from training.recipes.cnn import CnnRecipe


def test_the_dissertations_recipe_is_its_table_2_and_chapter_4() -> None:
    recipe = choose("dissertation")
    assert isinstance(recipe, CnnRecipe)
    assert [(one.filters, one.kernel) for one in recipe.convolutions] == [(256, 5), (256, 5), (128, 3), (64, 2)]
    assert recipe.dense == (256, 256, 128, 64)
    assert (recipe.optimizer, recipe.learning_rate, recipe.loss) == ("adamax", 0.001, "huber")
    assert (recipe.batch_size, recipe.epochs) == (16, 20)


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_survives_its_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(choose(name).model_dump_json(), encoding="utf-8")
    assert choose(str(path)) == choose(name)


def test_the_help_names_every_recipe_and_each_has_its_own_name() -> None:
    assert tuple(RECIPES) == NAMES
    assert [choose(name).name for name in NAMES] == list(NAMES)


def test_an_unknown_recipe_is_refused_with_the_names_of_all(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"none is neither a recipe \(dissertation.*\) nor a file"):
        choose(str(tmp_path / "none"))


def test_a_file_that_is_not_a_recipe_is_refused_with_the_places(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text('{"batch_size": 0, "colour": "red", "convolutions": [{"filters": 4}]}', encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is not a recipe of this version") as caught:
        choose(str(path))
    assert {detail.at for detail in caught.value.details} == {"batch_size", "colour", "convolutions.0.kernel"}
    path.write_bytes(b"\xff{")
    with pytest.raises(InvalidInputError, match="is not a recipe of this version"):
        choose(str(path))


def test_options_change_single_entries_and_leave_the_others() -> None:
    assert CnnRecipe().changed({"epochs": 3, "seed": None}) == CnnRecipe(epochs=3)
