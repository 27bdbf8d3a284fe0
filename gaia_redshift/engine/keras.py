"""Keras, on TensorFlow or JAX. Imports `bundle`, `errors`, `interpretation`, `spectra` and its neighbours.

``KERAS_BACKEND`` selects the backend, as everywhere in Keras; if it is not set, TensorFlow if installed, else JAX.
"""

import io
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import KERAS_FILE, SCALER_FILE, Bundle
from gaia_redshift.engine.chunks import (
    CPU_CHUNK,
    GPU_CHUNKS,
    PriorIndex,
    choose_chunk,
    output_shapes,
    run_in_chunks,
    sizes_up_to,
)
from gaia_redshift.engine.installed import keras_is_missing
from gaia_redshift.engine.quiet import import_tensorflow
from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.result import DECIMALS, Redshifts
from gaia_redshift.spectra import FloatArray

_Function = Callable[..., dict[str, Tensor]]
"""Takes fluxes and, for a density, priors and prior indices; returns the outputs by name."""


@dataclass(frozen=True, slots=True)
class _Backend:
    """A backend's devices, and how it compiles scaler, network and answer into one function."""

    device: str
    compile_graph: Callable[["Source", Bundle], _Function]
    any_size: bool
    """Whether a compiled function takes any number of rows at full speed."""


@dataclass(frozen=True, slots=True)
class Source:
    """The network and scaler that a bundle's graph is made from."""

    network: Any
    """Keras network, scaled fluxes in."""
    scaler: Any
    """MinMaxScaler."""

    def scaled(self, flux: Tensor) -> Tensor:
        """Return the network's input, shape (n, samples, 1), for a tensor of fluxes, shape (n, samples)."""
        from keras import ops

        scaled = flux * self.scaler.scale_.astype(np.float32) + self.scaler.min_.astype(np.float32)
        return ops.expand_dims(scaled, 2)


class KerasEngine:
    """Runs the bundle's source network and scaler, and the answer behind them, on a GPU where the backend sees one."""

    name: Literal["onnx", "keras"] = "keras"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        prepare = {"tensorflow": _prepare_tensorflow, "jax": _prepare_jax}.get(_choose_backend())
        if prepare is None:
            raise keras_is_missing()
        backend = prepare(threads)
        self.device = backend.device
        self._bundle = bundle
        source = load_source(bundle)
        _refuse_another_output(bundle, source.network)
        self._function = backend.compile_graph(source, bundle)
        self._sizes: Sequence[int] = ()
        self.chunk = CPU_CHUNK if self.device == "CPU" else choose_chunk(self._seconds, GPU_CHUNKS)
        self._sizes = () if backend.any_size else sizes_up_to(self.chunk)
        for size in self._sizes:  # compile now, not during the first request
            self(np.ones((size, bundle.grid.samples), np.float32))

    def __call__(
        self,
        flux: FloatArray,
        prior_index: PriorIndex | None = None,
        priors: NDArray[np.float64] | None = None,
        *,
        pdf: bool = False,
    ) -> Redshifts:
        """Predict n spectra; see `gaia_redshift.engine.Engine`."""
        shapes = output_shapes(self._bundle, pdf=pdf)
        bins = self._bundle.bins
        known = None if bins is None else _filled(bins.priors if priors is None else priors)

        def run(part: FloatArray, index: PriorIndex | None) -> Sequence[NDArray[np.generic]]:
            rows = np.zeros(len(part), np.int32) if index is None else index
            found = self._function(part) if known is None else self._function(part, known, rows)
            # XLA replaces the division in the rounding by a multiplication, so round again.
            return [_rounded(np.asarray(found[name])) for name in shapes]

        return run_in_chunks(flux, prior_index, self.chunk, shapes, run, sizes=self._sizes)

    def _seconds(self, rows: int) -> float:
        """Return the time in s for a chunk, after compilation; raises MemoryError if it does not fit."""
        flux = np.ones((rows, self._bundle.grid.samples), np.float32)
        self.chunk = rows
        try:
            self(flux)
            started = time.perf_counter()
            self(flux)
        except Exception as error:  # the backends' exceptions share no base class
            if "RESOURCE_EXHAUSTED" in str(error) or "ResourceExhausted" in type(error).__name__:
                raise MemoryError(f"{rows} spectra do not fit") from error
            raise
        return time.perf_counter() - started


def _rounded(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return values.round(DECIMALS) if values.dtype == np.float64 else values


def _filled(priors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return priors padded to a power of two rows, since a backend may compile for each number of rows."""
    rows = 2 ** (len(priors) - 1).bit_length()
    return np.concatenate([priors, np.repeat(priors[:1], rows - len(priors), axis=0)])


def _choose_backend() -> str:
    """Return the backend that Keras will use; an empty string if it is not installed."""
    wanted = os.environ.get("KERAS_BACKEND") or ("tensorflow" if find_spec("tensorflow") else "jax")
    if find_spec("keras") is None or find_spec(wanted) is None:
        return ""
    os.environ["KERAS_BACKEND"] = wanted
    return wanted


def _prepare_tensorflow(threads: int) -> _Backend:
    """Set up TensorFlow; on a GPU it selects kernels for each number of rows."""
    import_tensorflow()
    import tensorflow

    gpus = tensorflow.config.list_physical_devices("GPU")
    for gpu in gpus:  # do not reserve all of the card's memory
        tensorflow.config.experimental.set_memory_growth(gpu, True)
    if not gpus and tensorflow.config.threading.get_intra_op_parallelism_threads() == 0:
        with suppress(RuntimeError):  # TensorFlow is already running, with other thread settings
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)

    def compile_graph(source: Source, bundle: Bundle) -> _Function:
        from gaia_redshift.engine.answer import Answer

        answer = Answer(bundle.manifest, bundle.calibration)
        signature = [tensorflow.TensorSpec((None, bundle.grid.samples), tensorflow.float32)]
        if bundle.bins:
            signature.append(tensorflow.TensorSpec((None, len(bundle.bins.widths)), tensorflow.float64))
            signature.append(tensorflow.TensorSpec((None,), tensorflow.int32))

        @tensorflow.function(input_signature=signature, autograph=False)  # type: ignore[untyped-decorator]
        def predict(flux: Tensor, *priors: Tensor) -> dict[str, Tensor]:
            return answer(flux, named(source.network(source.scaled(flux), training=False)), *priors)

        return predict  # type: ignore[no-any-return]

    return _Backend(gpus[0].name if gpus else "CPU", compile_graph, any_size=not gpus)


def _prepare_jax(_threads: int) -> _Backend:
    """Set up JAX; it compiles for each number of rows, and uses all cores available to the process."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # do not reserve all of the card's memory
    import jax

    # Probabilities are summed in double precision; the network's layers stay single.
    jax.config.update("jax_enable_x64", True)

    def compile_graph(source: Source, bundle: Bundle) -> _Function:
        from gaia_redshift.engine.answer import Answer

        answer = Answer(bundle.manifest, bundle.calibration)
        network = source.network
        weights = [
            [weight.value for weight in kind] for kind in (network.trainable_variables, network.non_trainable_variables)
        ]

        @jax.jit  # type: ignore[untyped-decorator]
        def predict(trainable: Tensor, fixed: Tensor, flux: Tensor, *priors: Tensor) -> dict[str, Tensor]:
            output, _ = network.stateless_call(trainable, fixed, source.scaled(flux), training=False)
            return answer(flux, named(output), *priors)

        return lambda *inputs: predict(*weights, *inputs)

    device = jax.devices()[0]
    return _Backend("CPU" if device.platform == "cpu" else str(device), compile_graph, any_size=False)


def named(output: Tensor | dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a network's outputs by name; a single output is the redshift."""
    return output if isinstance(output, dict) else {"redshift": output}


def load_source(bundle: Bundle) -> Source:
    """Load the network and the scaler from bytes that match the manifest; the scaler is a pickle."""
    import joblib
    import keras

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / KERAS_FILE  # Keras reads from a path only
        path.write_bytes(bundle.read(KERAS_FILE))
        try:
            network = keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:  # a damaged or hostile archive can raise anything
            raise InvalidBundleError(f"{bundle.manifest.name}/{KERAS_FILE} cannot be loaded: {error}") from error
    return Source(network, joblib.load(io.BytesIO(bundle.read(SCALER_FILE))))


def _refuse_another_output(bundle: Bundle, network: Any) -> None:
    """Raise InvalidBundleError if the network's outputs do not match the manifest."""
    bins, kinds = bundle.bins, len(bundle.calibration.kinds or ())
    wanted = {"redshift": 1} if bins is None else {"density": len(bins.widths), "kind": kinds}
    shape = network.compute_output_shape((None, bundle.grid.samples, 1))
    found = shape if isinstance(shape, dict) else {"redshift": shape}
    for name, width in wanted.items():
        if name not in found:
            raise InvalidBundleError(
                f"{bundle.manifest.name}/{KERAS_FILE}: the network has no output {name}, "
                f"which a {bundle.manifest.output} model needs"
            )
        if tuple(found[name]) != (None, width):
            raise InvalidBundleError(
                f"{bundle.manifest.name}/{KERAS_FILE}: the network's {name} has shape {found[name]}, not (n, {width})"
            )
