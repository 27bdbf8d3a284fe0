"""Checks that an engine is installed, before anything is loaded. Imports `errors` and `installation`."""

from importlib.util import find_spec

from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.installation import how_to_install


def keras_is_missing() -> MissingDependencyError:
    """Return the error for a Keras engine that is requested but not installed."""
    return MissingDependencyError(
        f"the Keras engine needs TensorFlow or JAX: {how_to_install('gpu')}, or use the onnx engine"
    )


def check_installed(wanted: str) -> None:
    """Raise MissingDependencyError if the engine of this name needs a package that is not installed."""
    if wanted == "keras" and not (find_spec("keras") and (find_spec("tensorflow") or find_spec("jax"))):
        raise keras_is_missing()
