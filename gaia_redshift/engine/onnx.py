"""ONNX Runtime on the CPU. Imports `bundle`, `errors`, `interpretation`, `spectra` and its neighbours."""

import time
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import ONNX_FILE, Bundle
from gaia_redshift.engine.chunks import CPU_CHUNK, PriorIndex, output_shapes, run_in_chunks
from gaia_redshift.errors import InvalidBundleError
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import FloatArray

_QUICK_SECONDS = 1e-3
"""Work that takes one thread less than this is not shared: waking other threads and waiting for the last of them takes
longer, and the other core is needed to read requests (16 clients, two cores: 8,400 to 9,400 requests/s)."""
_TRIAL_ROWS, _TRIALS = 4, 20

_SPIN_MICROSECONDS = 20
"""How long a thread spins for the next layer's work before it sleeps; values from 5 to 1000 made no difference."""


class OnnxEngine:
    """Runs the bundle's graph, from raw fluxes to answers.

    Parameters
    ----------
    bundle : Bundle
    threads : int
        A batch of up to `few` rows is run by one thread.

    Raises
    ------
    InvalidBundleError
        If the graph cannot be loaded, or does not match the manifest.
    """

    name: Literal["onnx", "keras"] = "onnx"
    device = "CPU"
    chunk = CPU_CHUNK

    def __init__(self, bundle: Bundle, threads: int) -> None:
        try:
            graph = bundle.read(ONNX_FILE)
            self._session = _load(graph, threads)
            self._one_thread = _load(graph, 1) if threads > 1 else self._session
        except Exception as error:  # the runtime's exceptions share no base class
            why = " ".join(str(error).split())[:300]
            raise InvalidBundleError(
                f"{bundle.manifest.name}/{ONNX_FILE} cannot be loaded, though its hash is right: {why}; copy the "
                "bundle again from its source, or train it again"
            ) from error
        self._bundle, self._shapes = bundle, {pdf: output_shapes(bundle, pdf=pdf) for pdf in (False, True)}
        _refuse_another_interface(bundle, self._session)
        self.few = self._measure_few() if threads > 1 else 0

    def __call__(
        self,
        flux: FloatArray,
        prior_index: PriorIndex | None = None,
        priors: NDArray[np.float64] | None = None,
        *,
        pdf: bool = False,
    ) -> Redshifts:
        """Predict n spectra; see `gaia_redshift.engine.Engine`."""
        shapes = self._shapes[pdf]
        names = list(shapes)
        fixed = {} if priors is None else {"priors": priors}

        def run(part: FloatArray, index: PriorIndex | None) -> Sequence[NDArray[np.generic]]:
            session = self._one_thread if len(part) <= self.few else self._session
            inputs = {"flux": part, **fixed, **({} if index is None else {"prior_index": index})}
            found: Sequence[NDArray[np.generic]] = session.run(names, inputs)
            return found

        return run_in_chunks(flux, prior_index, self.chunk, shapes, run)

    def _measure_few(self) -> int:
        """Return how many rows one thread can do quickly, by measuring its speed."""
        flux = np.ones((_TRIAL_ROWS, self._bundle.grid.samples), np.float32)
        seconds = []
        for _ in range(_TRIALS):
            started = time.perf_counter()
            self._one_thread.run(list(self._shapes[False]), {"flux": flux})
            seconds.append(time.perf_counter() - started)
        # The minimum: other load on the machine can only add to the time.
        return int(_TRIAL_ROWS * _QUICK_SECONDS / min(seconds))


def _refuse_another_interface(bundle: Bundle, session: Any) -> None:
    """Raise InvalidBundleError unless the graph has the inputs and outputs of this schema version."""
    inputs = {"flux"} | ({"priors", "prior_index"} if bundle.bins else set())
    found = {node.name for node in (*session.get_inputs(), *session.get_overridable_initializers())}
    required = {node.name for node in session.get_inputs()}
    missing = output_shapes(bundle, pdf=True).keys() - {node.name for node in session.get_outputs()}
    for what, names in (("input", (inputs - found) | (required - {"flux"})), ("output", missing)):
        if names:
            raise InvalidBundleError(
                f"{bundle.manifest.name}/{ONNX_FILE} is not the graph of a {bundle.manifest.output} model: "
                f"{what} {', '.join(sorted(names))}"
            )


def _load(graph: bytes, threads: int) -> Any:
    """Return a session that runs the graph with this many threads; raises the runtime's exceptions."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that spin for long occupy the cores that decode the next request; threads that sleep at once must be woken
    # for each layer, which takes a quarter of the time of one spectrum.
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry("session.intra_op.spin_duration_us", str(_SPIN_MICROSECONDS))
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
