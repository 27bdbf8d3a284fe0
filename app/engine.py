"""Compiled inference: raw fluxes in, network output out. The only file that imports a network runtime.

ONNX Runtime is the CPU's engine: in memory within 0.2 s and as fast as the processor multiplies. Keras on TensorFlow
is the GPU's. Both take spectra in chunks of fixed size: larger ones gain nothing, and their memory grows without bound
(docs/performance.md).
"""

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from app.bundle import KERAS_FILE, ONNX_FILE, SCALER_FILE, Bundle
from app.errors import InvalidBundleError, MissingDependencyError
from app.spectra import FLUX_COUNT, FloatArray

EngineName = Literal["onnx", "keras"]

_QUOTA_FILES = (
    ("/sys/fs/cgroup/cpu.max",),
    ("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
)
"""Where a container reads its CPU quota and period: cgroup version 2, and version 1."""

CPU_CHUNK = 64
GPU_CHUNK = 4096


class Engine(Protocol):
    """What runs a bundle's network; its outputs stand side by side, in the order of `Bundle.output_widths`."""

    name: EngineName
    device: str
    chunk: int
    """Spectra given to the network at a time."""

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width), for raw fluxes of shape (n, 186) in e-/s per sample."""
        ...


def available_cores() -> int:
    """Return how many cores this process may use: its affinity, or a container's CPU quota if that is less."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for files in _QUOTA_FILES:
        try:
            quota, period = map(int, " ".join(Path(file).read_text(encoding="ascii") for file in files).split())
        except (OSError, ValueError):  # no such cgroup, or "max": no quota
            continue
        if quota > 0:  # version 1 writes -1 for none
            return max(1, min(cores, quota // period))
    return cores


def choose_engine(wanted: Literal["auto", "onnx", "keras"]) -> EngineName:
    """Resolve ``auto``: Keras where there is an NVIDIA GPU and TensorFlow to use it, else ONNX Runtime."""
    if wanted != "auto":
        return wanted
    gpu = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    return "keras" if gpu and find_spec("tensorflow") else "onnx"


def load_engine(bundle: Bundle, wanted: Literal["auto", "onnx", "keras"], threads: int | None = None) -> Engine:
    """Make the engine of a bundle and warm it up with one prediction.

    Raises
    ------
    InvalidBundleError
        If the runtime cannot load the network, or the network does not give what its manifest says.
    MissingDependencyError
        If Keras is wanted but not installed.
    """
    make: Callable[[Bundle, int], Engine] = OnnxEngine if choose_engine(wanted) == "onnx" else KerasEngine
    engine = make(bundle, threads or available_cores())
    engine(np.ones((1, FLUX_COUNT), np.float32))
    return engine


def _run_in_chunks(
    flux: FloatArray, chunk: int, widths: Mapping[str, int], run: Callable[[FloatArray], Iterable[FloatArray]]
) -> FloatArray:
    """Run the network over chunks of `flux` and place its outputs, named by `widths`, side by side."""
    output = np.empty((len(flux), sum(widths.values())), np.float32)
    for start in range(0, len(flux), chunk):
        part = np.ascontiguousarray(flux[start : start + chunk], dtype=np.float32)
        column = 0
        for (name, width), values in zip(widths.items(), run(part), strict=True):
            if values.size != len(part) * width:
                raise InvalidBundleError(
                    f"the network's {name} has shape {values.shape} for {len(part)} spectra, not ({len(part)}, {width})"
                )
            output[start : start + len(part), column : column + width] = values.reshape(len(part), width)
            column += width
    return output


def _refuse_missing(bundle: Bundle, file: str, found: Iterable[str]) -> None:
    missing = bundle.output_widths.keys() - set(found)
    if missing:
        raise InvalidBundleError(
            f"{bundle.manifest.name}/{file}: the network has no output {', '.join(sorted(missing))}, "
            f"which a {bundle.manifest.output} model needs"
        )


class OnnxEngine:
    """ONNX Runtime on the CPU; the bundle's graph takes raw fluxes, its scaler folded in."""

    name: EngineName = "onnx"
    device = "CPU"
    chunk = CPU_CHUNK

    def __init__(self, bundle: Bundle, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Spinning threads would burn the cores that decode the next request.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                bundle.read(ONNX_FILE), options, providers=["CPUExecutionProvider"]
            )
            (self._input,) = (node.name for node in self._session.get_inputs())
        except Exception as error:  # the runtime's exceptions share no base class
            raise InvalidBundleError(f"{bundle.manifest.name}/{ONNX_FILE} cannot be loaded: {error}") from error
        self._widths = bundle.output_widths
        _refuse_missing(bundle, ONNX_FILE, (node.name for node in self._session.get_outputs()))

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width)."""
        return _run_in_chunks(flux, self.chunk, self._widths, self._run)

    def _run(self, flux: FloatArray) -> list[FloatArray]:
        outputs: list[FloatArray] = self._session.run(list(self._widths), {self._input: flux})
        return outputs


class KerasEngine:
    """Keras on TensorFlow: the bundle's source network and scaler, on a GPU where TensorFlow sees one."""

    name: EngineName = "keras"

    def __init__(self, bundle: Bundle, threads: int) -> None:
        os.environ.setdefault("KERAS_BACKEND", "tensorflow")
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        try:
            import tensorflow
        except ImportError as error:
            raise MissingDependencyError(
                "the Keras engine needs TensorFlow: pip install 'gaia-redshift[gpu]', or use the onnx engine"
            ) from error
        gpus = tensorflow.config.list_physical_devices("GPU")
        for gpu in gpus:  # leave the card's memory to be shared
            tensorflow.config.experimental.set_memory_growth(gpu, True)
        if not gpus and tensorflow.config.threading.get_intra_op_parallelism_threads() == 0:
            _set_threads(tensorflow, threads)
        self.device = gpus[0].name if gpus else "CPU"
        self.chunk = GPU_CHUNK if gpus else CPU_CHUNK
        self._widths = bundle.output_widths
        self._function = _compile(tensorflow, *_load_source(bundle))
        _refuse_missing(bundle, KERAS_FILE, self._function.get_concrete_function().structured_outputs)

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width)."""
        return _run_in_chunks(flux, self.chunk, self._widths, self._run)

    def _run(self, flux: FloatArray) -> list[FloatArray]:
        outputs = self._function(flux)
        return [outputs[name].numpy() for name in self._widths]


def _set_threads(tensorflow: Any, threads: int) -> None:
    try:
        tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:  # TensorFlow already runs, with the threads somebody chose before
        return


def _load_source(bundle: Bundle) -> tuple[Any, Any]:
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


def _compile(tensorflow: Any, network: Any, scaler: Any) -> Any:
    """Return one compiled function from raw fluxes to named outputs; any batch size, so nothing is compiled twice."""
    scale, offset = scaler.scale_.astype(np.float32), scaler.min_.astype(np.float32)

    @tensorflow.function(  # type: ignore[untyped-decorator]
        input_signature=[tensorflow.TensorSpec((None, FLUX_COUNT), tensorflow.float32)]
    )
    def predict(flux: Any) -> Any:
        output = network((flux * scale + offset)[..., None], training=False)
        return output if isinstance(output, dict) else {"redshift": output}

    return predict
