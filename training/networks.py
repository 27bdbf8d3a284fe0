"""Networks built from a recipe. Imports `spectra` and `recipe` of the project, and Keras.

No Lambda layer: a bundle's ``model.keras`` must load in Keras' safe mode.
"""

from typing import Any

import keras

from gaia_redshift.spectra import DR3
from training.recipe import Recipe


def build(recipe: Recipe) -> Any:
    """Return an untrained, uncompiled network.

    The default recipe gives the 699,073 parameters of Kiraleos 2023, table 2.

    Parameters
    ----------
    recipe : Recipe

    Returns
    -------
    keras.Sequential
        From min-max scaled fluxes, shape (n, 186, 1), to redshift, shape (n, 1).

    Raises
    ------
    ValueError
        If the convolutions leave nothing of the 186 samples.
    """
    layers: list[Any] = [keras.Input((DR3.samples, 1), name="scaled_flux")]
    for convolution in recipe.convolutions:
        layers += [
            keras.layers.Conv1D(convolution.filters, convolution.kernel, activation=recipe.activation),
            keras.layers.MaxPooling1D(),
        ]
    layers.append(keras.layers.Flatten())
    layers += [keras.layers.Dense(units, activation=recipe.activation) for units in recipe.dense]
    layers.append(keras.layers.Dense(1, name="redshift"))
    return keras.Sequential(layers, name=recipe.name.replace("-", "_"))


def compile_for_training(network: Any, recipe: Recipe) -> None:
    """Attach the recipe's optimiser and loss, and the mean absolute error as metric.

    With TensorFlow on a CPU, XLA halves the speed of these small convolutions (400 against 800 spectra/s on two
    cores, batch 16), so it is switched off; JAX cannot do without.
    """
    optimizer = keras.optimizers.get(recipe.optimizer)
    optimizer.learning_rate = recipe.learning_rate
    network.compile(
        optimizer=optimizer,
        loss=recipe.loss,
        metrics=["mean_absolute_error"],
        jit_compile=keras.backend.backend() != "tensorflow",
        steps_per_execution=8,
    )
