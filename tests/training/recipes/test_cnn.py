import keras
import pytest

from training.recipes.cnn import CnnRecipe

TABLE_2 = [1536, 0, 327936, 0, 98432, 0, 16448, 0, 0, 147712, 65792, 32896, 8256, 65]
"""Parameters per layer as the dissertation prints them."""


def test_the_default_recipe_is_table_2_of_the_dissertation_layer_by_layer() -> None:
    network = CnnRecipe().build()
    assert [layer.count_params() for layer in network.layers] == TABLE_2
    assert network.count_params() == 699_073
    kinds = [type(layer).__name__ for layer in network.layers]
    assert kinds == ["Conv1D", "MaxPooling1D"] * 4 + ["Flatten"] + ["Dense"] * 5
    activations = [layer.activation.__name__ for layer in network.layers if hasattr(layer, "activation")]
    assert activations == ["relu"] * 8 + ["linear"]
    assert network.input_shape == (None, 186, 1)
    assert network.output_shape == (None, 1)


def test_the_default_recipe_trains_as_the_dissertation_did() -> None:
    recipe = CnnRecipe()
    network = recipe.build()
    recipe.compile(network, 10)
    assert isinstance(network.optimizer, keras.optimizers.Adamax)
    assert float(network.optimizer.learning_rate) == pytest.approx(0.001)
    assert network.loss == "huber"
    assert (recipe.batch_size, recipe.epochs) == (16, 20)


def test_convolutions_that_leave_nothing_are_refused() -> None:
    deep = CnnRecipe(convolutions=CnnRecipe().convolutions * 3)
    with pytest.raises(ValueError, match="zero or negative"):
        deep.build()
