"""ONNX Runtime on the CPU. Imports `bundle`, `errors`, `spectra` and its neighbours."""

from typing import Literal

from app.bundle import ONNX_FILE, Bundle
from app.engine.chunks import CPU_CHUNK, refuse_missing, run_in_chunks
from app.errors import InvalidBundleError
from app.spectra import FloatArray


class OnnxEngine:
    """Runs the bundle's graph, which takes raw fluxes, its scaler folded in."""

    name: Literal["onnx", "keras"] = "onnx"
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
        refuse_missing(bundle, ONNX_FILE, (node.name for node in self._session.get_outputs()))

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width)."""
        return run_in_chunks(flux, self.chunk, self._widths, self._run)

    def _run(self, flux: FloatArray) -> list[FloatArray]:
        outputs: list[FloatArray] = self._session.run(list(self._widths), {self._input: flux})
        return outputs
