"""Whether an engine can run here, before anything is loaded. Imports `errors` and `installation`."""

from importlib.util import find_spec

from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.installation import how_to_install


def keras_is_missing() -> MissingDependencyError:
    """Return what to raise where the Keras engine is wanted and nothing of it is installed."""
    return MissingDependencyError(
        f"the Keras engine needs TensorFlow or JAX: {how_to_install('gpu')}, or use the onnx engine"
    )


def check_installed(wanted: str) -> None:
    """Raise MissingDependencyError if the engine of this name needs what is not installed."""
    if wanted == "keras" and not (find_spec("keras") and (find_spec("tensorflow") or find_spec("jax"))):
        raise keras_is_missing()
