"""Predict many files: the overhead of each engine over a plain loop, and memory against rows.

    python -m benchmarks.scale [--rows 1000000] [--folder runs/scale] [--rounds 3] [--only loop local-1 ...]

Times are processor times of all processes, including start-up; what Ray runs beside its workers is also given
separately, since a site's cluster runs it anyway. Variants take turns, since the speed of a shared machine changes by a
tenth within minutes. Engines whose packages are missing are left out: run it in the environment of `make cluster-test`.
"""

import argparse
import compileall
import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import psutil
import pyarrow
from pyarrow import parquet

from benchmarks.tables import spectra

ROOT = Path(__file__).parents[1]
_FILES = 20
_PIECE = 10_000

_LOOP = """
from pathlib import Path
from pyarrow import parquet
from gaia_redshift.predictor import Predictor
predict = Predictor("default", threads=1)
Path(out).mkdir()
for path in sorted(Path(source).glob("*.parquet")):
    file, writer = parquet.ParquetFile(path), None
    for batch in file.iter_batches(4096, use_threads=False):
        made = predict(batch).drop_columns(["flux"])
        writer = writer or parquet.ParquetWriter(Path(out) / path.name, made.schema, compression="zstd")
        writer.write_batch(made)
    writer.close()
"""
_BULK = """
from functools import partial
from gaia_redshift.bulk import clusters, local
from gaia_redshift.bulk.predicting import Predicting
from gaia_redshift.bulk.run import run
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
if __name__ == "__main__":
    {before}
    task = Predicting.by(Predictor("default", threads=1), AnswerOptions())
    made = run(task, [source], out, {engine})
    assert not made.failures, made.failures
    report()
"""
_DASK = "from distributed import LocalCluster; held = LocalCluster({}, threads_per_worker=1, dashboard_address=None)"
VARIANTS = {
    "loop": ("", _LOOP + "\nreport()\n"),
    "local-1": ("", _BULK.format(before="pass", engine="partial(local.run_here, processes=1)")),
    "local-2": ("", _BULK.format(before="pass", engine="partial(local.run_here, processes=2)")),
    "dask": ("distributed", _BULK.format(
        before=_DASK.format("n_workers=2"), engine="partial(clusters.run_on_dask, address=held.scheduler_address)")),
    "ray": ("ray", _BULK.format(
        before="import ray; ray.init(num_cpus=2, include_dashboard=False)",
        engine="partial(clusters.run_on_ray, address='auto')")),
}  # fmt: skip
"""Name to the package that is needed, and the program."""

_SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",  # it looks at the stack of each worker every 10 ms
    "RAY_worker_niceness": "0",  # at its 15, others on the machine make all its processes wait for its workers
}

_REPORT = """
import json, os, sys, threading, time
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
import psutil
source, out = sys.argv[1:]
seen, most, spent = {}, {}, [0.0]
theirs = set()
rays = ("/ray/core/", "/ray/dashboard/", "/ray/_private/log_monitor", "/ray/autoscaler/", "ray::Dash", "ray::Runtime")
def peak(pid):
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))
def look():
    started = time.thread_time()
    own = psutil.Process()
    for one in [own, *own.children(recursive=True)]:
        try:
            times = one.cpu_times()
            seen[one.pid] = times.user + times.system
            most[one.pid] = peak(one.pid)
            if any(part in " ".join(one.cmdline()) for part in rays):
                theirs.add(one.pid)
        except (psutil.Error, OSError, StopIteration):
            pass
    spent[0] += time.thread_time() - started
def watch():
    while True:
        look()
        time.sleep(1)
def report():
    look()
    cpu, own = sum(seen.values()) - spent[0], sum(seen[pid] for pid in theirs)
    print(json.dumps({"cpu": cpu, "theirs": own, "most": max(most.values())}))
if __name__ == "__main__":
    threading.Thread(target=watch, daemon=True).start()
"""


def write(folder: Path, rows: int, files: int = _FILES) -> Path:
    """Write spectra into Parquet files, unless they are there."""
    if folder.exists():
        return folder
    folder.mkdir(parents=True)
    flux = spectra(_PIECE)
    each = rows // files
    for number in range(files):
        with parquet.ParquetWriter(folder / f"{number:03}.parquet", _schema(flux.shape[1]), compression="zstd") as made:
            for start in range(0, each, _PIECE):
                count = min(_PIECE, each - start)
                ids = pyarrow.array(np.arange(count) + 4 * 10**18 + number * each + start)
                column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux[:count].ravel()), flux.shape[1])
                made.write_table(pyarrow.table([ids, column], schema=made.schema))
    return folder


def _schema(samples: int) -> pyarrow.Schema:
    return pyarrow.schema([("source_id", pyarrow.int64()), ("flux", pyarrow.list_(pyarrow.float32(), samples))])


def measure(name: str, source: Path, folder: Path) -> dict[str, float]:
    """Run a variant in new processes; return processor and wall seconds, and peak bytes."""
    program = folder / f"run-{name}.py"  # no name of a package
    program.write_text(_REPORT + VARIANTS[name][1])
    out = folder / f"out-{name}-{time.monotonic_ns()}"
    started = time.perf_counter()
    environment = {**dict(psutil.Process().environ()), **_SETTINGS, "PYTHONPATH": str(ROOT)}
    words = [sys.executable, str(program), str(source), str(out)]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{name} failed: {done.stderr[-2000:]}")
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"cpu"')]
    return {**json.loads(lines[-1]), "wall": time.perf_counter() - started}


def graph_rate() -> float:
    """Return the spectra per second of the graph alone, on one thread."""
    from gaia_redshift.engine import load_engine
    from gaia_redshift.predictor import Predictor

    engine = load_engine(Predictor("default", threads=1).bundle, "onnx", 1)
    flux = spectra(20_000)
    engine(flux)
    rates = []
    for _ in range(5):
        started = time.process_time()
        engine(flux)
        rates.append(len(flux) / (time.process_time() - started))
    return max(rates)


def main() -> None:
    """Print a table of the engines, and of memory over rows."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--folder", type=Path, default=ROOT / "runs" / "scale")
    options.add_argument("--rounds", type=int, default=1)
    options.add_argument("--only", nargs="*", default=list(VARIANTS))
    options.add_argument("--memory", type=int, nargs="*", default=[100_000, 1_000_000, 3_000_000])
    asked = options.parse_args()
    source = write(asked.folder / f"spectra-{asked.rows}", asked.rows)
    compileall.compile_dir(ROOT / "gaia_redshift", quiet=1)  # as an installed package is
    print(f"the graph alone: {graph_rate():,.0f} spectra/s of one thread\n")
    names = [name for name in asked.only if not VARIANTS[name][0] or find_spec(VARIANTS[name][0])]
    found: dict[str, list[dict[str, float]]] = {name: [] for name in names}
    for _ in range(asked.rounds):
        for name in names:
            found[name].append(measure(name, source, asked.folder))
    print(f"{asked.rows:,} spectra in {_FILES} Parquet files\n")
    print("| engine | processor s | of the loop's | without Ray's own | rows/s of a core | wall s | largest MB |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        best = min(found[name], key=lambda one: one["cpu"])
        base = min(one["cpu"] for one in found[names[0]])
        print(
            f"| {name} | {best['cpu']:.1f} | {best['cpu'] / base:.2f} | {(best['cpu'] - best['theirs']) / base:.2f} | "
            f"{asked.rows / best['cpu']:,.0f} | {best['wall']:.0f} | {best['most'] / 1e6:.0f} |"
        )
    if asked.memory:
        print("\n| rows of one file | largest process MB | processor s |\n|---|---|---|")
    for rows in asked.memory:
        one = measure("local-1", write(asked.folder / f"one-{rows}", rows, 1), asked.folder)
        print(f"| {rows:,} | {one['most'] / 1e6:.0f} | {one['cpu']:.1f} |")


if __name__ == "__main__":
    main()
