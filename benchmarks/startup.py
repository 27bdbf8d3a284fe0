"""From process start to the first prediction served, and the memory then.

python benchmarks/startup.py [--rounds N]
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

BODY = json.dumps({"spectra": [{"flux": [0.1 * number for number in range(186)]}]}).encode()
ENGINES = ("onnx", "keras")


def main() -> None:
    """Print the median over some rounds for each engine."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=3)
    rounds = arguments.parse_args().rounds
    print("| engine | first prediction after | resident memory |")
    print("|---|---|---|")
    for engine in ENGINES:
        measured = [start(engine) for _ in range(rounds)]
        seconds, megabytes = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"| {engine} | {seconds:.2f} s | {megabytes:.0f} MB |")


def start(engine: str) -> tuple[float, float]:
    """Start a server, wait for its first answer, stop it; return seconds and megabytes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port)]
    environment = {**os.environ, "GAIA_REDSHIFT_ENGINE": engine}
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while not predicted(port):
            if process.poll() is not None:
                sys.exit(f"the {engine} server ended with {process.returncode}")
            time.sleep(0.01)
        seconds = time.perf_counter() - began
        pages = int(Path(f"/proc/{process.pid}/statm").read_text(encoding="ascii").split()[1])
        process.terminate()
    return seconds, pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def predicted(port: int) -> bool:
    """Say whether the service answers a prediction."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", BODY, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return bool(response.status == 200)
    except urllib.error.URLError:
        return False


if __name__ == "__main__":
    main()
