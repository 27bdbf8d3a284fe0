"""What of the GPU image can be seen without a GPU: its Keras engine, on TensorFlow's CPU kernels."""

import json

from tests.container.engine import Engine
from tests.container.report import expect

_BOTH = """
import json
from pathlib import Path
from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import load_engine
import numpy as np
bundle = Bundle(next(Path("/models").glob("*/manifest.json")).parent)
flux = np.random.default_rng(1).uniform(0.1, 5, (256, 186)).astype(np.float32)
keras, onnx = load_engine(bundle, "keras"), load_engine(bundle, "onnx")
import tensorflow
print(json.dumps({
    "engine": keras.name, "device": keras.device, "tensorflow": tensorflow.__version__,
    "cuda": tensorflow.sysconfig.get_build_info().get("cuda_version", ""),
    "apart": float(np.abs(keras(flux).redshift - onnx(flux).redshift).max()),
}))
"""


_LIBRARIES = """
import ctypes, glob, json, os, sysconfig
loaded, refused = [], []
for path in sorted(glob.glob(os.path.join(sysconfig.get_path("purelib"), "nvidia", "*", "lib", "lib*.so.*"))):
    try:
        ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
        loaded.append(os.path.basename(path))
    except OSError as error:
        refused.append(str(error))
print(json.dumps({"loaded": loaded, "refused": refused}))
"""

NEEDED = ("cublas", "cublasLt", "cudart", "cudnn", "cufft", "cusolver", "cusparse", "nccl")
"""The libraries of CUDA that TensorFlow loads on a GPU."""


def cuda(engine: Engine, tag: str) -> str:
    """Load CUDA's libraries; only the driver's own, which the host brings, may be missing."""
    found = json.loads(engine.python(tag, _LIBRARIES).splitlines()[-1])
    missing = [name for name in NEEDED if not any(file.startswith(f"lib{name}.so") for file in found["loaded"])]
    expect(not missing, f"not loaded: {missing}; {found['refused']}")
    strange = [reason for reason in found["refused"] if not reason.startswith("libcuda.so.1")]
    expect(not strange, f"refused: {strange}")
    return f"{len(found['loaded'])} libraries of CUDA load, {', '.join(NEEDED)} among them"


def predict(engine: Engine, tag: str) -> str:
    """Load the bundle through Keras inside the image, confined as in compose, and compare it with the ONNX graph."""
    found = json.loads(engine.python(tag, _BOTH, "--tmpfs", "/tmp:rw,noexec,nosuid,nodev").splitlines()[-1])  # noqa: S108
    expect(found["engine"] == "keras", f"engine {found['engine']}")
    expect(found["cuda"], "this TensorFlow was built without CUDA")
    expect(found["apart"] <= 5e-6, f"Keras and ONNX differ by {found['apart']}")
    versions = f"TensorFlow {found['tensorflow']} for CUDA {found['cuda']}"
    return f"{versions}, on the {found['device']} here; {found['apart']:.0e} from ONNX"
