"""Measure an NVIDIA GPU: spectra per second by batch size, relative to its matrix product, and through the service.

    python benchmarks/gpu.py [--models FOLDER] [--rounds N] [--engine-only]

``KERAS_BACKEND`` chooses TensorFlow or JAX. Without a GPU it says so and ends with 0. The peak is what a large single-
precision matrix product reaches on the card in the same run (with TensorFloat-32 if the backend uses it for the network
too), divided by the multiply-adds of a spectrum. The machine's processor is measured too, and the difference of the
redshifts: TensorFloat-32 has 10 bits; ``JAX_DEFAULT_MATMUL_PRECISION=highest`` switches it off.
"""

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from engine import multiply_adds, repeat
from processes import free_port, machine, serving
from robustness import answers

from gaia_redshift.bundle import ONNX_FILE, SHIPPED_MODELS, Bundle, discover
from gaia_redshift.engine import Engine, available_cores
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import FloatArray
from training.simulation.dataset import Recipe, simulate

BATCHES = (1, 16, 256, 4096, 65_536)
MATRIX = 8192
REQUESTS, CLIENTS, SPECTRA = 64, 8, 10_000


def card() -> str | None:
    """Return the GPU's name, memory and driver, or None if there is no GPU."""
    query = ["nvidia-smi", "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(query, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return None


def product() -> Callable[[], object]:
    """Return a matrix product on the card, with the network's backend."""
    if os.environ["KERAS_BACKEND"] == "jax":
        import jax

        square = jax.random.normal(jax.random.key(1), (MATRIX, MATRIX))
        multiply = jax.jit(lambda matrix: matrix @ matrix)
        return lambda: multiply(square).block_until_ready()
    import tensorflow

    square = tensorflow.random.normal((MATRIX, MATRIX))
    multiply = tensorflow.function(lambda matrix: tensorflow.reduce_sum(matrix @ matrix))
    return lambda: multiply(square).numpy()


def table(engine: Engine, flux: FloatArray, operations: int, rounds: int) -> None:
    """Print a row per batch size."""
    multiply = product()
    peaks, rates = [], {batch: list[float]() for batch in BATCHES}
    for _ in range(rounds):
        peaks.append(2 * MATRIX**3 * repeat(multiply) / (2 * operations))
        for batch in BATCHES:
            rates[batch].append(batch * repeat(lambda b=batch: engine(flux[:b])))
    peak = statistics.median(peaks)
    print(f"device {engine.device}, chunk {engine.chunk:,}; matrix product / this model: {peak:,.0f} spectra/s")
    print("| batch | spectra/s | of the peak |\n|---|---|---|")
    for batch in BATCHES:
        rate = statistics.median(rates[batch])
        print(f"| {batch:,} | {rate:,.0f} | {rate / peak:.0%} |")


def beside_the_processor(card: Predictor, processor: Predictor, flux: FloatArray) -> None:
    """Print the rate of ONNX Runtime on this machine's cores, and the difference of the engines' redshifts."""
    rate = len(flux) * repeat(lambda: processor.engine(flux))
    ours, theirs = (answers(model, flux).redshift for model in (card, processor))
    apart = np.abs(ours - theirs)
    print(
        f"onnx on {available_cores()} cores: {rate:,.0f} spectra/s; redshifts differ by {np.median(apart):.1g} in the "
        f"median, {np.quantile(apart, 0.999):.1g} in one of a thousand, {apart.max():.1g} at most"
    )


def through_the_service(bundle: Bundle, flux: FloatArray) -> float:
    """Return spectra per second of clients that send arrays over HTTP and get Arrow back."""
    port = free_port()
    file = io.BytesIO()
    np.save(file, flux)
    kinds = {"Content-Type": "application/x-npy", "Accept": "application/vnd.apache.arrow.stream"}
    url = f"http://127.0.0.1:{port}/predict"
    command = [
        sys.executable,
        "-m",
        "gaia_redshift.commands.main",
        "serve",
        "--port",
        str(port),
        "--models",
        str(bundle.folder.parent),
    ]
    settings = {
        "GAIA_REDSHIFT_DEFAULT_MODEL": bundle.manifest.id,
        "GAIA_REDSHIFT_ENGINE": "keras",
        "GAIA_REDSHIFT_MAX_QUEUED_ROWS": str(CLIENTS * SPECTRA),
    }
    first = json.dumps({"spectra": [{"flux": flux[0].tolist()}]}).encode()

    def ask(_number: int) -> None:
        request = urllib.request.Request(url, file.getvalue(), kinds)
        with urllib.request.urlopen(request, timeout=300) as response:  # noqa: S310
            response.read()

    with (
        tempfile.NamedTemporaryFile() as log,
        serving(command, url, first, Path(log.name), seconds=300, **settings),
        ThreadPoolExecutor(CLIENTS) as clients,
    ):
        ask(0)
        started = time.perf_counter()
        list(clients.map(ask, range(REQUESTS)))
        return REQUESTS * len(flux) / (time.perf_counter() - started)


def main() -> None:
    """Print one table per model, and the rate through the service."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--engine-only", action="store_true", help="leave the service out")
    options = parser.parse_args()
    found = card()
    if found is None:
        print("there is no NVIDIA GPU here: nothing measured")
        return
    print(f"{found}; {machine()}")
    blocks = simulate(Recipe(max(BATCHES), seed=1), workers=available_cores())
    flux = np.concatenate([block.flux for block in blocks])
    for folder in discover(options.models):
        bundle = Bundle(folder)
        operations = multiply_adds(bundle.read(ONNX_FILE))
        print(f"\n{bundle.manifest.id}: {operations / 1e6:.1f} M multiply-adds a spectrum")
        on_card, on_processor = (Predictor(bundle, engine=engine) for engine in ("keras", "onnx"))
        table(on_card.engine, flux, operations, options.rounds)
        beside_the_processor(on_card, on_processor, flux[:SPECTRA])
        if not options.engine_only:
            print(
                f"through the service, {CLIENTS} clients: {through_the_service(bundle, flux[:SPECTRA]):,.0f} spectra/s"
            )


if __name__ == "__main__":
    main()
