"""Keras, on TensorFlow or JAX. Imports `bundle`, `errors`, `spectra` and its neighbours.

``KERAS_BACKEND`` chooses, as everywhere in Keras; where it is not set, TensorFlow if it is installed, else JAX.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gaia_redshift.bundle import KERAS_FILE, SCALER_FILE, Bundle
from gaia_redshift.engine.chunks import CPU_CHUNK, GPU_CHUNKS, choose_chunk, refuse_missing, run_in_chunks, sizes_up_to
from gaia_redshift.engine.installed import keras_is_missing
from gaia_redshift.engine.quiet import import_tensorflow
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.spectra import FloatArray

_Function = Callable[[FloatArray], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Backend:
    """What a backend found, and how it compiles a network with its scaler into one function from raw fluxes."""

    device: str
    compile_network: Callable[[Any, Any], _Function]
    any_size: bool
    """Whether what is compiled once takes any number of rows at full speed."""


class KerasEngine:
    """Runs the bundle's source network and scaler, on a GPU where the backend sees one."""

    name: Literal["onnx", "keras"] = "keras"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        prepare = {"tensorflow": _prepare_tensorflow, "jax": _prepare_jax}.get(_choose_backend())
        if prepare is None:
            raise keras_is_missing()
        backend = prepare(threads)
        self.device = backend.device
        self._widths, self._samples = bundle.output_widths, bundle.grid.samples
        self._function = backend.compile_network(*load_source(bundle))
        refuse_missing(bundle, KERAS_FILE, self._function(np.ones((1, self._samples), np.float32)))
        self.chunk = CPU_CHUNK if self.device == "CPU" else choose_chunk(self._seconds, GPU_CHUNKS)
        self._sizes = () if backend.any_size else sizes_up_to(self.chunk)
        for size in self._sizes:  # compile now, and not while a client waits
            self._run(np.ones((size, self._samples), np.float32))

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width)."""
        return run_in_chunks(flux, self.chunk, self._widths, self._run, sizes=self._sizes)

    def _run(self, flux: FloatArray) -> list[FloatArray]:
        outputs = self._function(flux)
        return [np.asarray(outputs[name]) for name in self._widths]

    def _seconds(self, rows: int) -> float:
        """Return how long a chunk takes, compiled and warm; raise MemoryError if it does not fit."""
        flux = np.ones((rows, self._samples), np.float32)
        try:
            self._run(flux)
            started = time.perf_counter()
            self._run(flux)
        except Exception as error:  # the backends' exceptions share no base class
            if "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__:
                raise MemoryError(f"{rows} spectra do not fit") from error
            raise
        return time.perf_counter() - started


def _choose_backend() -> str:
    """Return the backend that Keras will use, where it is installed; an empty text where it is not."""
    wanted = os.environ.get("KERAS_BACKEND") or ("tensorflow" if find_spec("tensorflow") else "jax")
    if find_spec("keras") is None or find_spec(wanted) is None:
        return ""
    os.environ["KERAS_BACKEND"] = wanted
    return wanted


def _prepare_tensorflow(threads: int) -> _Backend:
    """Set TensorFlow up; on a GPU it chooses its kernels anew for each number of rows."""
    import_tensorflow()
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:  # leave the card's memory to be shared
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    if not gpus and tensorflow.config.threading.get_intra_op_parallelism_threads() == 0:
        with suppress(RuntimeError):  # TensorFlow already runs, with the threads somebody chose before
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)

    def compile_network(network: Any, scaler: Any) -> _Function:
        scale, offset = scaler.scale_.astype(np.float32), scaler.min_.astype(np.float32)

        @tensorflow.function(  # type: ignore[untyped-decorator]
            input_signature=[tensorflow.TensorSpec((None, len(scale)), tensorflow.float32)]
        )
        def predict(flux: Any) -> Any:
            output = network((flux * scale + offset)[..., None], training=False)
            return output if isinstance(output, dict) else {"redshift": output}

        return predict  # type: ignore[no-any-return]

    return _Backend(gpus[0].name if gpus else "CPU", compile_network, any_size=not gpus)


def _prepare_jax(_threads: int) -> _Backend:
    """Set JAX up; it compiles for each number of rows, and takes the cores that the process may use."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # leave the card's memory to be shared
    import jax

    def compile_network(network: Any, scaler: Any) -> _Function:
        scale, offset = scaler.scale_.astype(np.float32), scaler.min_.astype(np.float32)
        weights = [
            [weight.value for weight in kind] for kind in (network.trainable_variables, network.non_trainable_variables)
        ]

        @jax.jit  # type: ignore[untyped-decorator]
        def predict(trainable: Any, fixed: Any, flux: Any) -> Any:
            spectra = (flux * scale + offset)[..., None]
            output, _ = network.stateless_call(trainable, fixed, spectra, training=False)
            return output if isinstance(output, dict) else {"redshift": output}

        return lambda flux: predict(*weights, flux)

    device = jax.devices()[0]
    return _Backend("CPU" if device.platform == "cpu" else str(device), compile_network, any_size=False)


def load_source(bundle: Bundle) -> tuple[Any, Any]:
    """Load the network and the scaler from bytes that match the manifest; the scaler is a pickle."""
    import joblib
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / KERAS_FILE  # Keras reads only from a path
        path.write_bytes(bundle.read(KERAS_FILE))
        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # whatever a damaged or hostile archive provokes
            raise InvalidBundleError(f"{bundle.manifest.name}/{KERAS_FILE} cannot be loaded: {error}") from error
    return network, joblib.load(io.BytesIO(bundle.read(SCALER_FILE)))
