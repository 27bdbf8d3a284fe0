"""Compiled inference, from raw fluxes to redshifts. The only package that imports a network runtime.

ONNX Runtime is the engine for CPUs; it loads within 0.2 s. Keras, on TensorFlow or JAX, is the engine for GPUs.
"""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine.chunks import CPU_CHUNK, PriorIndex
from gaia_redshift.engine.cores import available_cores
from gaia_redshift.engine.installed import check_installed
from gaia_redshift.engine.keras import KerasEngine
from gaia_redshift.engine.onnx import OnnxEngine
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.spectra import FloatArray

EngineName = Literal["onnx", "keras"]

__all__ = [
    "CPU_CHUNK",
    "Engine",
    "EngineName",
    "KerasEngine",
    "OnnxEngine",
    "PriorIndex",
    "available_cores",
    "check_installed",
    "choose_engine",
    "load_engine",
]


class Engine(Protocol):
    """Runs a bundle's network and the interpretation of its output."""

    name: EngineName
    device: str
    chunk: int
    """Spectra given to the network at a time."""

    def __call__(
        self,
        flux: FloatArray,
        prior_index: PriorIndex | None = None,
        priors: NDArray[np.float64] | None = None,
        *,
        pdf: bool = False,
    ) -> Redshifts:
        """Predict n spectra.

        Parameters
        ----------
        flux : ndarray of float32, shape (n, samples)
            e-/s per sample; every spectrum must be usable.
        prior_index : ndarray of int32, shape (n,), optional
            The row of `priors` for each spectrum; the survey's prior if absent. Density models only.
        priors : ndarray of float64, shape (k, bins), optional
            Probability per bin. The first two rows are those of `Bundle.bins.priors`, the default. Row 1 uses the
            interval tables of the flat prior, every other row those of the survey.
        pdf : bool
            Whether to return the densities.

        Returns
        -------
        Redshifts
        """
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
        If the runtime cannot load the network, or its outputs do not match the manifest.
    MissingDependencyError
        If Keras is wanted but not installed.
    """
    make: Callable[[Bundle, int], Engine] = OnnxEngine if choose_engine(wanted) == "onnx" else KerasEngine
    engine = make(bundle, threads or available_cores())
    engine(np.ones((1, bundle.grid.samples), np.float32))
    return engine
