"""Measure the unchanged application on Ray Serve and alone: latency of one spectrum.

    python3 -m venv runs/ray && runs/ray/bin/pip install --require-hashes -r requirements/serve.txt
    runs/ray/bin/pip install --no-deps --editable . --editable app
    runs/ray/bin/pip install 'ray[serve]'
    python benchmarks/ray_serve.py --python runs/ray/bin/python [--rounds 5] [--seconds 5]

Both run in that environment at the same time; `wrk` sends requests to one after the other, in rounds, on loopback. The
median round is shown, memory is that of all processes.
"""

import argparse
import json
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from processes import free_port, machine, serving
from wrk import run_wrk, write_script

ROOT = Path(__file__).parents[1]
CLIENTS = (1, 16)


def main() -> None:
    """Print a table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--python", required=True, help="of the environment with the service and Ray Serve")
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=int, default=5)
    asked = options.parse_args()
    flux = np.random.default_rng(1).uniform(0.1, 20, 186).round(6).tolist()
    body = json.dumps({"spectra": [{"flux": flux}]}).encode()
    application = ROOT / "benchmarks" / "peers" / "application_on_ray.py"
    commands = {
        "uvicorn": ["-m", "gaia_redshift", "serve", "--port", "{port}"],
        "Ray Serve": [str(application)],
    }
    print(f"{machine()}\n")
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        servers = {}
        for name, words in commands.items():
            port = str(free_port())
            command = [asked.python, *(word.format(port=port) for word in words)]
            environment = {"PORT": port, "PYTHONPATH": str(ROOT), "GAIA_REDSHIFT_LOG_LEVEL": "warning"}
            url = f"http://127.0.0.1:{port}/predict"
            log = folder / f"{port}.log"
            servers[name] = held.enter_context(serving(command, url, body, log, seconds=600, **environment))
        script = write_script(folder, body)
        found: dict[tuple[str, int], list[tuple[float, float, float, float]]] = {}
        for clients in CLIENTS:
            for _ in range(asked.rounds):
                for name, server in servers.items():
                    found.setdefault((name, clients), []).append(run_wrk(server.url, script, clients, asked.seconds))
        memory = {name: server.resident_mb() for name, server in servers.items()}
    print(
        "| server | clients | requests/s | p50 ms | p99 ms | errors | start s | MB |\n|---|---|---|---|---|---|---|---|"
    )
    for (name, clients), rounds in found.items():
        rate, p50, p99, errors = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"| {name} | {clients} | {rate:,.0f} | {p50:.1f} | {p99:.1f} | {errors:.0f} | "
            f"{servers[name].seconds:.0f} | {memory[name]:.0f} |"
        )


if __name__ == "__main__":
    main()
