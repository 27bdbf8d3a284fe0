"""Measure rates of reading the archive's gzipped text, of bulk and convert, and the effect of single precision.

    python -m benchmarks.archive_text [--rows 20000] [--folder runs/archive]

Rows a second of processor time, best of three, of one thread. The file is simulated: rows as the archive has them,
41 kB each, in gzip a third of that.
"""

import argparse
import gzip
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

import numpy as np
from pyarrow import parquet

from gaia_redshift.bulk.converting import Converting
from gaia_redshift.bulk.job import Task, do
from gaia_redshift.bulk.plan import Shard, plan
from gaia_redshift.bulk.predicting import Predicting
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.tables import stream
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.readers import arrays
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra

ROOT = Path(__file__).parents[1]
_TIMES = 3


def make(folder: Path, rows: int) -> Path:
    """Simulate a gzipped file of the archive, unless it is there."""
    packed = folder / "text" / "archive.csv.gz"
    if packed.exists():
        return packed
    packed.parent.mkdir(parents=True)
    plain = folder / "xp_continuous.csv"
    words = [sys.executable, "-m", "gaia_redshift", "simulate", "-n", str(rows), "--seed", "5", "-o", str(plain)]
    subprocess.run(words, check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    with plain.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        while piece := source.read(1 << 20):
            target.write(piece)
    plain.unlink()
    return packed


def unzip(path: Path) -> None:
    """Unpack a file."""
    with path.open("rb") as file:
        content = stream.GzipStream(file)
        while content.read(4 << 20):
            pass


def read(path: Path) -> None:
    """Read the spectra of a file."""
    with path.open("rb") as file, opened(file, path.name) as table:
        for _ in read_spectra(table, recognise(table)):
            pass


def job(task: Task, source: Path, out: Path) -> None:
    """Do one file as `bulk` and `convert` do."""
    (one,) = plan([str(source)], str(out), Shard())
    outcome = do(task, one)
    if outcome.failure:
        raise SystemExit(outcome.failure.message)


def rate(rows: int, work: Callable[[], None]) -> float:
    """Return rows a second of processor time."""
    best = 0.0
    for _ in range(_TIMES):
        started = time.process_time()
        work()
        best = max(best, rows / (time.process_time() - started))
    return best


def main() -> None:
    """Print the rates, and the differences."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=20_000)
    options.add_argument("--folder", type=Path, default=ROOT / "runs" / "archive")
    asked = options.parse_args()
    text = make(asked.folder, asked.rows)
    task = Predicting.by(Predictor("default", threads=1), AnswerOptions())
    converted = asked.folder / "coefficients"
    job(Converting(), text, converted)
    coefficients = converted / "archive.parquet"
    steps = {
        "unzip": partial(unzip, text),
        "read spectra": partial(read, text),
        "bulk, text to redshifts": partial(job, task, text, asked.folder / "from-text"),
        "convert, text to coefficients": partial(job, Converting(), text, converted),
        "bulk, coefficients to redshifts": partial(job, task, coefficients, asked.folder / "from-coefficients"),
    }
    print(f"{asked.rows:,} rows; bytes a row: {text.stat().st_size / asked.rows:,.0f} gzip, ", end="")
    print(f"{coefficients.stat().st_size / asked.rows:,.0f} coefficients, ", end="")
    job(task, text, asked.folder / "from-text")
    out = asked.folder / "from-text" / "archive.parquet"
    print(f"{out.stat().st_size / asked.rows:,.0f} redshifts\n")
    print("| step | rows/s | without isal and simdjson |\n|---|---|---|")
    fast = {name: rate(asked.rows, work) for name, work in steps.items()}
    known = stream._open, arrays._simdjson
    stream._open, arrays._simdjson = gzip.GzipFile, None
    slow = {name: rate(asked.rows, work) for name, work in steps.items()}
    stream._open, arrays._simdjson = known
    for name, value in fast.items():
        print(f"| {name} | {value:,.0f} | {slow[name]:,.0f} |")
    one, other = (
        parquet.read_table(asked.folder / name / "archive.parquet") for name in ("from-text", "from-coefficients")
    )
    apart = np.abs(np.subtract(*(np.array(table["redshift"], float) for table in (one, other))))
    apart = apart[np.isfinite(apart)]
    print(
        f"\nredshifts of float32 coefficients: {np.mean(apart == 0):.1%} the same, median {np.median(apart):.1e}, ",
        end="",
    )
    print(f"99.9% within {np.quantile(apart, 0.999):.1e}, at most {apart.max():.1e}")
    same = np.mean(np.array(one["quality"]) == np.array(other["quality"]))
    print(f"flags the same in {same:.3%}")


if __name__ == "__main__":
    main()
