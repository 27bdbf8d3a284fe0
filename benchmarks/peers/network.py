"""The function that every peer serves: the bundle's ONNX graph on ONNX Runtime, with our engine's settings.

It is imported in each peer's environment and may need nothing but numpy and onnxruntime. ``NETWORK`` names the graph's
file and ``THREADS`` the threads, the same for all.
"""

import os

import numpy as np

CHUNK = 64
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # no reports to its maker


class Network:
    """From raw fluxes to one number per spectrum: the redshift, or the most probable bin of a density."""

    def __init__(self) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ["THREADS"])
        options.inter_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.intra_op.spin_duration_us", "20")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(os.environ["NETWORK"], options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name

    def __call__(self, flux: np.ndarray) -> np.ndarray:
        """Return shape (n,) for fluxes of shape (n, 186)."""
        flux = np.ascontiguousarray(flux, dtype=np.float32)
        parts = [
            self._session.run([self._output], {self._input: flux[start : start + CHUNK]})[0]
            for start in range(0, len(flux), CHUNK)
        ]
        output = np.concatenate(parts)
        return output if output.ndim == 1 else output.argmax(axis=1).astype(np.float32)
