"""Compiled inference: raw fluxes in, network output out. The only package that imports a network runtime.

ONNX Runtime is the CPU's engine: in memory within 0.2 s and as fast as the processor multiplies. Keras, on TensorFlow
or JAX, is the GPU's.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine.chunks import CPU_CHUNK
from gaia_redshift.engine.cores import available_cores
from gaia_redshift.engine.installed import check_installed
from gaia_redshift.engine.keras import KerasEngine
from gaia_redshift.engine.onnx import OnnxEngine
from gaia_redshift.spectra import FloatArray

EngineName = Literal["onnx", "keras"]

__all__ = [
    "CPU_CHUNK",
    "Engine",
    "EngineName",
    "KerasEngine",
    "OnnxEngine",
    "available_cores",
    "check_installed",
    "choose_engine",
    "load_engine",
]


class Engine(Protocol):
    """What runs a bundle's network; its outputs stand side by side, in the order of `Bundle.output_widths`."""

    name: EngineName
    device: str
    chunk: int
    """Spectra given to the network at a time."""

    def __call__(self, flux: FloatArray) -> FloatArray:
        """Return the network's output, shape (n, width), for raw fluxes of shape (n, 186) in e-/s per sample."""
        ...


def choose_engine(wanted: Literal["auto", "onnx", "keras"]) -> EngineName:
    """Resolve ``auto``: Keras where there is an NVIDIA GPU and TensorFlow or JAX to use it, else ONNX Runtime."""
    if wanted != "auto":
        return wanted
    gpu = Path("/dev/nvidiactl").exists() or Path("/dev/dxg").exists()
    return "keras" if gpu and find_spec("keras") and (find_spec("tensorflow") or find_spec("jax")) else "onnx"


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
    engine(np.ones((1, bundle.grid.samples), np.float32))
    return engine
