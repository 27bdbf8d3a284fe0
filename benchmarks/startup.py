"""Measure the time from process start to the first prediction, the memory then, and the memory of further workers.

python benchmarks/startup.py [--models FOLDER] [--engines onnx keras] [--rounds N] [--workers N]

Resident memory (RSS) counts what processes share, such as libraries, for each of them; PSS shares it out between them.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from processes import free_port, machine, serving

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle, discover

BODY = json.dumps({"spectra": [{"flux": [0.1 * number for number in range(186)]}]}).encode()


def main() -> None:
    """Print the median over some rounds for each bundle and engine, then the memory of several workers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=SHIPPED_MODELS)
    parser.add_argument("--engines", nargs="*", default=["onnx", "keras"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=4)
    options = parser.parse_args()
    default = Bundle(discover(options.models)[0]).manifest.id
    print(f"{machine()}\n\n| engine | first prediction after | resident memory |\n|---|---|---|")
    for engine in options.engines:
        measured = [start(options.models, default, engine) for _ in range(options.rounds)]
        seconds, megabytes = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {engine} | {seconds:.2f} s | {megabytes:.0f} MB |", flush=True)
    print("\n| workers (onnx) | RSS of each | PSS of each | all, PSS |\n|---|---|---|---|")
    for workers in sorted({1, 2, options.workers}):
        print(f"| {workers} | {' | '.join(f'{value:.0f} MB' for value in weigh(options.models, default, workers))} |")


def _serve(models: Path, default: str, engine: str, workers: int) -> tuple[list[str], str, dict[str, str]]:
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gaia_redshift.commands.main",
        "serve",
        "--port",
        str(port),
        "--models",
        str(models),
    ]
    settings = {"ENGINE": engine, "DEFAULT_MODEL": default, "WORKERS": str(workers)}
    environment = {f"GAIA_REDSHIFT_{name}": value for name, value in settings.items()}
    return command, f"http://127.0.0.1:{port}/predict", environment


def start(models: Path, default: str, engine: str) -> tuple[float, float]:
    """Start a server, wait for its first answer, stop it; return seconds and megabytes."""
    command, url, environment = _serve(models, default, engine, 1)
    with tempfile.NamedTemporaryFile() as log, serving(command, url, BODY, Path(log.name), **environment) as server:
        return server.seconds, server.process.memory_info().rss / 1e6


def weigh(models: Path, default: str, workers: int) -> tuple[float, float, float]:
    """Start several workers; return the mean RSS and PSS of those that serve, and the PSS of the whole tree, in MB."""
    command, url, environment = _serve(models, default, "onnx", workers)
    with tempfile.NamedTemporaryFile() as log, serving(command, url, BODY, Path(log.name), **environment) as server:
        time.sleep(3)  # the others load too
        serve = [process for process in server.tree() if "spawn_main" in " ".join(process.cmdline())]
        weights = [process.memory_full_info() for process in serve or [server.process]]
        mean = {key: statistics.mean(getattr(weight, key) for weight in weights) / 1e6 for key in ("rss", "pss")}
        return mean["rss"], mean["pss"], server.resident_mb()


if __name__ == "__main__":
    main()
