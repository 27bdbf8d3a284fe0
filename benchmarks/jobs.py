"""Measure requests with one spectrum, with and without a job running in the same service.

    python benchmarks/jobs.py [--model NAME] [--rounds N] [--seconds S] [--clients N ...]

One service and `wrk` (Debian: ``apt-get install wrk``), alternately with a job and without; the median round is
shown.
"""

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
from processes import free_port, machine, serving
from pyarrow import parquet
from wrk import run_wrk, write_script

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.spectra import DR3

ROWS = 400_000


def table() -> bytes:
    """Return a table of spectra for a job that takes longer than a round."""
    flux = np.random.default_rng(1).uniform(0.1, 0.9, (ROWS, DR3.samples)).astype(np.float32)
    columns = {"flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples)}
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file, compression="zstd")
    return file.getvalue()


def ask(url: str, method: str, body: bytes | None = None, kind: str = "application/x-www-form-urlencoded") -> Any:
    """Return the JSON of an answer."""
    headers = {"Accept": "application/json", "Content-Type": kind}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
        content = answer.read()
    return json.loads(content) if content else None


def load(url: str, script: Path, clients: int, seconds: int) -> tuple[float, float, float]:
    """Return requests a second, p50 and p99 in ms."""
    rate, p50, p99, errors = run_wrk(f"{url}/predict", script, clients, seconds)
    assert not errors, errors  # noqa: S101
    return rate, p50, p99


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=6)
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 16])
    options = parser.parse_args()
    flux = np.random.default_rng(2).uniform(0.1, 0.9, DR3.samples).round(4).tolist()
    body = json.dumps({"spectra": [{"flux": flux}]})
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gaia_redshift", "serve", "--port", str(port), "--models", str(SHIPPED_MODELS)]
    content = table()
    found: dict[tuple[int, bool], list[tuple[float, float, float]]] = {}
    done: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        script = write_script(Path(folder), body.encode())
        settings = {
            "JOBS_FOLDER": f"{folder}/jobs", "ENGINE": "onnx", "DEFAULT_MODEL": options.model, "LOG_LEVEL": "warning",
        }  # fmt: skip
        environment = {f"GAIA_REDSHIFT_{name}": value for name, value in settings.items()}
        with serving(command, f"{url}/predict", body.encode(), Path(folder) / "log", **environment):
            for _ in range(options.rounds):
                for clients in options.clients:
                    found.setdefault((clients, False), []).append(load(url, script, clients, options.seconds))
                    kind = "application/vnd.apache.parquet"
                    job = ask(f"{url}/jobs?phase=RUN", "POST", content, kind)["job_id"]
                    while (before := ask(f"{url}/jobs/{job}", "GET")["progress"]["rows_done"]) == 0:
                        time.sleep(0.1)
                    found.setdefault((clients, True), []).append(load(url, script, clients, options.seconds))
                    after = ask(f"{url}/jobs/{job}", "GET")
                    assert after["phase"] == "EXECUTING", "the job was over before the round was"  # noqa: S101
                    done.append((after["progress"]["rows_done"] - before) / options.seconds)
                    ask(f"{url}/jobs/{job}", "DELETE")
    print(f"{machine()}, {options.model}, {options.rounds} rounds\n")
    print("| clients | job | requests/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
    for (clients, job), rounds in found.items():
        figures = [statistics.median(column) for column in zip(*rounds, strict=True)]
        print(f"| {clients} | {'runs' if job else 'none'} | {figures[0]:.0f} | {figures[1]:.2f} | {figures[2]:.2f} |")
    print(f"\nThe job meanwhile: {statistics.median(done):.0f} rows/s")


if __name__ == "__main__":
    main()
