"""What a fine-tuning starts from: a bundle's network, scaler and recipe. Imports `bundle`, `recipes`; Keras."""

from dataclasses import dataclass
from pathlib import Path

import keras

from gaia_redshift.bundle import KERAS_FILE, Bundle
from gaia_redshift.engine.keras import load_source
from gaia_redshift.errors import InvalidInputError
from training.recipes import RECIPE_FILE
from training.recipes.choose import parse
from training.recipes.recipe import Network, Recipe, Scaler

_SHAPING = ("filters", "kernel_size", "units", "activation", "strides", "dilation_rate", "pool_size", "padding")


@dataclass(frozen=True, slots=True)
class Start:
    """A trained network, to be trained further."""

    name: str
    """For the recipe and the card: name@version and the SHA-256 of the network."""
    network: Network
    scaler: Scaler
    """Kept, since the weights were learnt on its scale."""
    recipe: Recipe

    def check(self, recipe: Recipe) -> None:
        """Raise InvalidInputError if a recipe makes another network than this one."""
        if _architecture(recipe.build()) != _architecture(self.network):
            raise InvalidInputError(
                f"recipe {recipe.name} does not make the network of {self.name}: leave --recipe out to keep its own"
            )

    def copy(self) -> Network:
        """Return a new network of the same architecture and weights, without optimiser."""
        network = self.recipe.build()
        network.set_weights(self.network.get_weights())
        for layer in network.layers:
            if isinstance(layer, keras.layers.Normalization):
                layer.finalize_state()  # computes mean and spread from the weights
        return network


def load_start(folder: Path) -> Start:
    """Load what the training of the bundle in a folder left, from bytes that match its manifest.

    Raises InvalidBundleError if the bundle is not whole, InvalidInputError if it does not say its recipe.
    """
    bundle = Bundle(folder)
    if RECIPE_FILE not in bundle.manifest.files:
        raise InvalidInputError(f"{folder.name} has no {RECIPE_FILE}: it cannot be trained further")
    source = load_source(bundle)
    return Start(
        name=f"{bundle.manifest.id} ({KERAS_FILE} SHA-256 {bundle.manifest.files[KERAS_FILE].sha256})",
        network=source.network,
        scaler=source.scaler,
        recipe=parse(bundle.read(RECIPE_FILE), f"{folder.name}/{RECIPE_FILE}"),
    )


def _architecture(network: Network) -> list[tuple[object, ...]]:
    """Return each layer's class, weights' shapes and what else shapes its output; names do not count."""
    return [
        (
            type(layer).__name__,
            [tuple(weight.shape) for weight in layer.weights],
            {name: value for name, value in layer.get_config().items() if name in _SHAPING},
        )
        for layer in network.layers
    ]
