"""What a fine-tuning starts from: a bundle's network, scaler and recipe. Imports `bundle`, `networks`; Keras."""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import keras

from gaia_redshift.bundle import KERAS_FILE, SCALER_FILE, Bundle
from gaia_redshift.errors import InvalidInputError
from training.networks import build
from training.recipe import RECIPE_FILE, Recipe

_SHAPING = ("filters", "kernel_size", "units", "activation", "strides", "dilation_rate", "pool_size", "padding")


@dataclass(frozen=True, slots=True)
class Start:
    """A trained network, to be trained further."""

    name: str
    """For the recipe and the card: name@version and the SHA-256 of the network."""
    network: Any
    scaler: Any
    """Kept as it is: the weights were learnt on its scale, whatever range the new spectra have."""
    recipe: Recipe

    def check(self, recipe: Recipe) -> None:
        """Raise InvalidInputError if a recipe makes another network than this one."""
        if _architecture(build(recipe)) != _architecture(self.network):
            raise InvalidInputError(
                f"recipe {recipe.name} does not make the network of {self.name}: leave --recipe out to keep its own"
            )

    def give_weights(self, network: Any) -> None:
        """Copy the weights into a new network of the same architecture."""
        network.set_weights(self.network.get_weights())


def load_start(folder: Path) -> Start:
    """Load what a bundle's training left, from bytes that match its manifest.

    Parameters
    ----------
    folder : Path
        Of the bundle.

    Raises
    ------
    InvalidBundleError
        If the bundle is not whole.
    InvalidInputError
        If it does not say by which recipe it was made.
    """
    bundle = Bundle(folder)
    if RECIPE_FILE not in bundle.manifest.files:
        raise InvalidInputError(f"{folder.name} has no {RECIPE_FILE}: it cannot be trained further")
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / KERAS_FILE  # Keras reads only from a path
        path.write_bytes(bundle.read(KERAS_FILE))
        network = keras.saving.load_model(path, compile=False, safe_mode=True)
    return Start(
        name=f"{bundle.manifest.id} ({KERAS_FILE} SHA-256 {bundle.manifest.files[KERAS_FILE].sha256})",
        network=network,
        scaler=joblib.load(io.BytesIO(bundle.read(SCALER_FILE))),
        recipe=Recipe.model_validate_json(bundle.read(RECIPE_FILE)),
    )


def _architecture(network: Any) -> list[tuple[Any, ...]]:
    """Return each layer's class, weights' shapes and what else shapes its output; names do not count."""
    return [
        (
            type(layer).__name__,
            [tuple(weight.shape) for weight in layer.weights],
            {name: value for name, value in layer.get_config().items() if name in _SHAPING},
        )
        for layer in network.layers
    ]
