"""ONNX Runtime on the CPU. Imports `bundle`, `errors`, `spectra` and its neighbours."""

import time
from typing import Any, Literal

import numpy as np

from gaia_redshift.bundle import ONNX_FILE, Bundle
from gaia_redshift.engine.chunks import CPU_CHUNK, refuse_missing, run_in_chunks
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.spectra import FloatArray

_QUICK_SECONDS = 0.3e-3
"""What one thread does in this time it does alone: waking others, and waiting for the last of them, takes longer."""
_TRIAL_ROWS, _TRIALS = 4, 5

_SPIN_MICROSECONDS = 20
"""How long a thread looks for the next layer's work before it sleeps; from 5 to 1000 no difference was seen."""


class OnnxEngine:
    """Runs the bundle's graph, which takes raw fluxes, its scaler folded in.

    Parameters
    ----------
    bundle : Bundle
    threads : int
        Up to `few` rows, whose work is small, are done by one of them.

    Raises
    ------
    InvalidBundleError
        If the graph cannot be loaded, or is not what the manifest says.
    """

    name: Literal["onnx", "keras"] = "onnx"
    device = "CPU"
    chunk = CPU_CHUNK

    def __init__(self, bundle: Bundle, threads: int) -> None:
        try:
            graph = bundle.read(ONNX_FILE)
            self._session = _load(graph, threads)
            self._one_thread = _load(graph, 1) if threads > 1 else self._session
            (self._input,) = (node.name for node in self._session.get_inputs())
        except Exception as error:  # the runtime's exceptions share no base class
            raise InvalidBundleError(f"{bundle.manifest.name}/{ONNX_FILE} cannot be loaded: {error}") from error
        self._widths, self._samples = bundle.output_widths, bundle.grid.samples
        refuse_missing(bundle, ONNX_FILE, (node.name for node in self._session.get_outputs()))
        self.few = self._measure_few() if threads > 1 else 0

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width)."""
        return run_in_chunks(flux, self.chunk, self._widths, self._run)

    def _run(self, flux: FloatArray) -> list[FloatArray]:
        session = self._one_thread if len(flux) <= self.few else self._session
        outputs: list[FloatArray] = session.run(list(self._widths), {self._input: flux})
        return outputs

    def _measure_few(self) -> int:
        """Return how many rows are quick work for one thread, by its speed now."""
        flux = np.ones((_TRIAL_ROWS, self._samples), np.float32)
        seconds = []
        for _ in range(_TRIALS):
            started = time.perf_counter()
            self._one_thread.run(list(self._widths), {self._input: flux})
            seconds.append(time.perf_counter() - started)
        # The least: what else the machine does only ever adds.
        return int(_TRIAL_ROWS * _QUICK_SECONDS / min(seconds))


def _load(graph: bytes, threads: int) -> Any:
    """Return a session that runs the graph with so many threads; raises what the runtime raises."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin for long burn the cores that decode the next request; those that sleep at once are woken for
    # each layer, which takes a quarter of the time of one spectrum.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_MICROSECONDS))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
