"""Measure the cost of intervals and flags: the network alone, with the answer in NumPy, and one graph of both.

    python -m benchmarks.answer [--model FOLDER] [--rounds N] [--batches N ...]

All three run on one thread of ONNX Runtime, in turn. The least time of all rounds is shown, since other work only adds
time. The answer in NumPy is the definition that the graph is tested against (`tests/reference/`).
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import tensorflow as tf

from benchmarks.processes import machine
from gaia_redshift.bundle import ONNX_FILE, SHIPPED_MODELS, Bundle
from gaia_redshift.engine.keras import load_source, named
from gaia_redshift.spectra import FloatArray
from tests.reference.answer import Reference
from training.release.convert import trace
from training.release.upgrade import plausible

BATCHES = (1, 16, 64)
ROUNDS = 300
Work = Callable[[FloatArray], object]


def main() -> None:
    """Print a table: a row per batch size, microseconds a spectrum."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODELS / "default")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    bundle = Bundle(options.model)
    flux = plausible(bundle.calibration, max(options.batches))
    print(f"{bundle.manifest.id} on {machine()}\n")
    works = ways(bundle)
    print("| spectra at once | " + " | ".join(works) + " |")
    print("|---|" + "---|" * len(works))
    for rows in options.batches:
        least = [seconds / rows * 1e6 for seconds in shortest(list(works.values()), flux[:rows], options.rounds)]
        print(f"| {rows} | " + " | ".join(f"{each:.1f}" for each in least) + " |")


def ways(bundle: Bundle) -> dict[str, Work]:
    """Return the three variants by name."""
    network, graph = one_thread(network_alone(bundle)), one_thread(bundle.read(ONNX_FILE))
    names = [output.name for output in network.get_outputs()]
    reference = Reference(bundle.manifest, bundle.calibration)

    def with_numpy(flux: FloatArray) -> object:
        found = dict(zip(names, network.run(names, {"flux": flux}), strict=True))
        if bundle.bins is None:
            return reference.of_point(flux, found["redshift"].reshape(-1))
        return reference.of_density(flux, found["density"], found["kind"])

    return {
        "network alone": lambda flux: network.run(names, {"flux": flux}),
        "network and NumPy": with_numpy,
        "one graph": lambda flux: graph.run(["redshift", "quality"], {"flux": flux}),
    }


def network_alone(bundle: Bundle) -> bytes:
    """Return the graph of the bundle's network and scaler, made as `training.release.convert` makes the whole one."""
    source = load_source(bundle)
    for layer in source.network.layers:  # constants of the graph instead of inputs
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = np.asarray(layer.mean), np.asarray(layer.variance)
    inputs = [tf.TensorSpec((None, bundle.grid.samples), tf.float32, name="flux")]
    traced = trace(lambda flux: named(source.network(source.scaled(flux), training=False)), inputs)
    graph: bytes = traced.SerializeToString()
    return graph


def one_thread(graph: bytes) -> onnxruntime.InferenceSession:
    """Return a session on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def shortest(works: list[Work], flux: FloatArray, rounds: int) -> list[float]:
    """Return the least seconds that each took, in turn with the others."""
    least = [float("inf")] * len(works)
    for _ in range(rounds):
        for number, work in enumerate(works):
            started = time.perf_counter()
            work(flux)
            least[number] = min(least[number], time.perf_counter() - started)
    return least


if __name__ == "__main__":
    main()
