"""Compare engines: spectra per second at several batch sizes, relative to the processor's matrix product.

    python benchmarks/engine.py [--models FOLDER] [--engines onnx keras] [--chunks N ...] [--rounds N]

``--chunks`` compares sizes of ONNX Runtime's chunks, at batch 1024, instead of the engines. All engines run in this
process on the same cores, in turn within each round, and the median round is shown, since the machine's speed varies.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from processes import machine

from gaia_redshift.bundle import ONNX_FILE, SHIPPED_MODELS, Bundle, discover
from gaia_redshift.engine import Engine, load_engine
from gaia_redshift.spectra import DR3, FloatArray
from training.release.shorten import SPARED

BATCHES = (1, 16, 1024, 8192)
SECONDS = 1.0
MATRIX = 2048


def main() -> None:
    """Print one table per model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--engines", nargs="*", choices=("onnx", "keras"), default=("onnx", "keras"))
    parser.add_argument("--chunks", type=int, nargs="*")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine())
    for folder in discover(options.models):
        bundle = Bundle(folder)
        graph = bundle.read(ONNX_FILE)
        operations, done = multiply_adds(graph), graph_multiply_adds(graph)
        fewer = f", of which the ONNX graph does {done / 1e6:.1f} M" if done < operations else ""
        print(f"\n{bundle.manifest.name}: {operations / 1e6:.1f} M multiply-adds a spectrum{fewer}")
        if options.chunks:
            chunked = {f"chunks of {size}": load_engine(bundle, "onnx") for size in options.chunks}
            for engine, size in zip(chunked.values(), options.chunks, strict=True):
                engine.chunk = size
            table(chunked, operations, options.rounds, (1024,))
        else:
            table({name: load_engine(bundle, name) for name in options.engines}, operations, options.rounds, BATCHES)


def table(engines: dict[str, Engine], operations: int, rounds: int, batches: tuple[int, ...]) -> None:
    """Measure and print: a row per batch size, a column per engine, spectra per second and share of the peak."""
    flux = np.random.default_rng(1).uniform(0.1, 20, (max(batches), DR3.samples)).astype(np.float32)
    rates: dict[tuple[str, int], list[float]] = {}
    peaks = []
    for _ in range(rounds):
        peaks.append(sgemm_rate() / (2 * operations))
        for batch in batches:
            for name, engine in engines.items():
                rates.setdefault((name, batch), []).append(batch * repeat(lambda e=engine, b=batch: e(flux[:b])))
    peak = statistics.median(peaks)
    print(f"matrix product of this machine / this model: {peak:,.0f} spectra/s")
    print("| batch | " + " | ".join(f"{name}, spectra/s | of the peak" for name in engines) + " |")
    print("|---|" + "---|---|" * len(engines))
    for batch in batches:
        medians = [statistics.median(rates[name, batch]) for name in engines]
        print(f"| {batch} | " + " | ".join(f"{rate:,.0f} | {rate / peak:.0%}" for rate in medians) + " |")


def repeat(work: Callable[[], object]) -> float:
    """Return how often per second `work` runs, over about `SECONDS`."""
    work()
    done, start = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - start) < SECONDS:
        work()
        done += 1
    return done / elapsed


def sgemm_rate() -> float:
    """Return the floating-point operations per second of a large single-precision matrix product."""
    matrix: FloatArray = np.random.default_rng(1).random((MATRIX, MATRIX), dtype=np.float32)
    return 2 * MATRIX**3 * repeat(lambda: matrix @ matrix)


def multiply_adds(graph: bytes) -> int:
    """Count the multiply-adds of one spectrum by the network's definition, with which engines are compared.

    A graph that needs fewer (`training.release.shorten`) can exceed the matrix product's rate.
    """
    held = {entry.key: entry.value for entry in onnx.load_from_string(graph).metadata_props}
    return graph_multiply_adds(graph) + int(held.get(SPARED, 0))


def graph_multiply_adds(graph: bytes) -> int:
    """Count the multiply-adds of the graph for one spectrum, in its convolutions and matrix products."""
    network = onnx.shape_inference.infer_shapes(onnx.load_from_string(graph)).graph
    shapes = {
        value.name: [dimension.dim_value for dimension in value.type.tensor_type.shape.dim]
        for value in [*network.value_info, *network.input, *network.output]
    }
    shapes |= {tensor.name: list(tensor.dims) for tensor in network.initializer}
    total = 0
    for node in network.node:
        if node.op_type == "Conv":
            weights = shapes[node.input[1]]  # (out, in, length...)
            total += int(np.prod(weights) * np.prod(shapes[node.output[0]][2:]))
        elif node.op_type in {"MatMul", "Gemm"}:
            total += int(
                np.prod(shapes[node.output[0]][1:]) * shapes[node.input[0]][-1]
            )  # (spectra, ..., out), (..., in)
    return total


if __name__ == "__main__":
    main()
