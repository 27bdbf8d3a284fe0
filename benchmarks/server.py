"""Compare this service with other servers, with one spectrum per request, on this machine.

    python benchmarks/peers/install.py          # once: an environment for each peer
    python benchmarks/server.py [--model FOLDER] [--rounds N] [--seconds S] [--only NAME ...]

Every server runs the same ONNX graph with the same settings of ONNX Runtime, but for the naive one, which calls Keras'
`predict`, and the floor, which predicts nothing (floor.py). All are up at the same time; `wrk` (Debian: ``apt-get
install wrk``) asks one after the other, round after round, and the median round is shown. Latencies and processor time
a request are in ms, memory is that of the process tree.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers.install import ENVIRONMENTS, PEERS
from processes import Serving, free_port, machine, serving
from wrk import run_wrk, write_script

from gaia_redshift.bundle import ONNX_FILE, SHIPPED_MODELS, Bundle
from gaia_redshift.engine import available_cores

CLIENTS = (1, 16, 64)
OURS = "gaia-redshift"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run of wrk found."""

    requests_per_second: float
    p50_ms: float
    p99_ms: float
    errors: float
    processor_ms: float
    """Processor time per request; other work on the machine hardly changes it."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started and called; ``{port}`` is replaced by its port."""

    command: list[str]
    path: str
    body: bytes


def contestants(bundle: Bundle) -> dict[str, Contestant]:
    """Return our service and every installed peer."""
    flux = np.random.default_rng(1).uniform(0.1, 20, 186).round(6).tolist()
    plain = json.dumps({"spectra": [flux]}).encode()
    ours = json.dumps({"spectra": [{"flux": flux}]}).encode()
    tensor = {"name": "flux", "shape": [1, 186], "datatype": "FP32", "data": flux}
    inference = json.dumps({"inputs": [tensor]}).encode()
    python = [sys.executable, "-m"]
    serve = [*python, "gaia_redshift", "serve", "--port", "{port}", "--models", str(bundle.folder.parent)]
    floor = [*python, "uvicorn", "floor:application", "--app-dir", str(PEERS.parent), "--port", "{port}"]
    found = {
        OURS: Contestant(serve, "/predict", ours),
        "floor": Contestant([*floor, "--no-access-log"], "/predict", ours),
    }
    for name in sorted(path.parent.name for path in PEERS.glob("*/app.py")):
        binaries = ENVIRONMENTS / name / "bin"
        if not binaries.exists():
            print(f"{name} is not installed (benchmarks/peers/install.py {name}): left out", file=sys.stderr)
            continue
        command = [str(binaries / "python"), str(PEERS / name / "app.py")]
        if name == "bentoml":
            command = [str(binaries / "bentoml"), "serve", "app:Redshift", "--working-dir", str(PEERS / name)]
            command += ["--host", "127.0.0.1", "--port", "{port}"]
        path, body = ("/v2/models/redshift/infer", inference) if name == "mlserver" else ("/predict", plain)
        found[name] = Contestant(command, path, body)
    return found


def start(name: str, contestant: Contestant, bundle: Bundle, folder: Path, stack: ExitStack) -> Serving:
    """Start a server for as long as the stack lasts."""
    port = free_port()
    environment = {
        "PORT": str(port),
        "NETWORK": str(bundle.folder / ONNX_FILE),
        "BUNDLE": str(bundle.folder),
        "THREADS": str(available_cores()),
        "PYTHONPATH": str(PEERS),
        "BENTOML_DO_NOT_TRACK": "True",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    if name == OURS:
        environment = {"GAIA_REDSHIFT_DEFAULT_MODEL": bundle.manifest.id, "GAIA_REDSHIFT_ENGINE": "onnx"}
    command = [part.format(port=port) for part in contestant.command]
    url = f"http://127.0.0.1:{port}{contestant.path}"
    return stack.enter_context(serving(command, url, contestant.body, folder / f"{name}.log", **environment))


def ask(serving_: Serving, body: bytes, clients: int, seconds: int, folder: Path) -> Figures:
    """Run wrk with as many clients."""
    script = write_script(folder, body)
    before = serving_.processor_seconds()
    rate, p50, p99, errors = run_wrk(serving_.url, script, clients, seconds)
    used = serving_.processor_seconds() - before
    wait_until_idle(serving_)
    return Figures(rate, p50, p99, errors, 1000 * used / max(1.0, rate * seconds))


def wait_until_idle(serving_: Serving, most_seconds: float = 6) -> None:
    """Wait until a server no longer works for clients that have left, so that it does not slow the next one."""
    end = time.monotonic() + most_seconds
    while time.monotonic() < end:
        before = serving_.processor_seconds()
        time.sleep(0.2)
        if serving_.processor_seconds() - before < 0.06:
            return


def show(figures: dict[tuple[str, int], list[Figures]], memory: dict[str, float]) -> None:
    """Print a row for each server."""
    header = " | ".join(f"{clients} | p50 | p99 | processor" for clients in CLIENTS)
    print(f"| server, req/s at clients | {header} | memory, MB |\n|---|{'---|' * (4 * len(CLIENTS) + 1)}")
    for name, megabytes in memory.items():
        cells = []
        for clients in CLIENTS:
            rounds = figures[name, clients]
            ours = statistics.median(one.requests_per_second for one in figures[OURS, clients])
            rate = statistics.median(one.requests_per_second for one in rounds)
            ratio = "" if name == OURS or not rate else f" (1/{ours / rate:.1f})"
            names = {"p50_ms": 1, "p99_ms": 1, "processor_ms": 3}
            times = [
                f"{statistics.median(getattr(one, key) for one in rounds):.{digits}f}" for key, digits in names.items()
            ]
            errors = sum(one.errors for one in rounds)
            failed = f" ({errors:.0f} errors)" if errors else ""
            cells += [f"{rate:,.0f}{ratio}{failed}", *times]
        print(f"| {name} | {' | '.join(cells)} | {megabytes:,.0f} |")


def main() -> None:
    """Start all servers, measure each in turn, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODELS / "dissertation-cnn", help="a bundle's folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", nargs="*", help="these servers besides ours")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: apt-get install wrk")
    bundle = Bundle(options.model.resolve())  # a peer may work in a folder of its own
    chosen = {
        name: one for name, one in contestants(bundle).items() if options.only is None or name in {OURS, *options.only}
    }
    figures: dict[tuple[str, int], list[Figures]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        servers = {name: start(name, one, bundle, folder, stack) for name, one in chosen.items()}
        for name, server in servers.items():
            ask(server, chosen[name].body, 8, 1, folder)  # warm-up
        for clients in CLIENTS:
            for _ in range(options.rounds):
                for name, server in servers.items():
                    found = ask(server, chosen[name].body, clients, options.seconds, folder)
                    figures.setdefault((name, clients), []).append(found)
        memory = {name: server.resident_mb() for name, server in servers.items()}
    print(f"{bundle.manifest.id} on {machine()}\n")
    show(figures, memory)


if __name__ == "__main__":
    main()
