"""Reading and writing tables: rows per second and peak memory by format, the model's time apart.

``python benchmarks/tables.py --rows 100000``; each measurement is a process of its own. A table has source_id, ra and
186 fluxes, a column for each in CSV, ECSV and Parquet, an array in the others; ``archive`` is an archive file as CSV.gz
with text arrays, a twentieth as many rows, with and without errors. What is written is the table that `predict` writes.
"""

import argparse
import gzip
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow

from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import FORMATS, opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra

BLOCK = 4096
AS_COLUMNS = ("csv", "ecsv", "parquet")
KINDS = ("csv", "ecsv", "fits", "votable", "parquet", "arrow", "jsonl", "archive", "archive-errors")


def lists(values: np.ndarray) -> pyarrow.Array:
    """Return a matrix as a column of arrays."""
    return pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values.ravel()), values.shape[1])


def block(kind: str, first: int, rows: int) -> pyarrow.RecordBatch:
    """Return some rows of a table."""
    random = np.random.default_rng(first)
    columns: dict[str, object] = {"source_id": np.arange(rows) + first + 10**18, "ra": random.random(rows) * 360}
    if kind.startswith("archive"):
        for band in ("bp", "rp"):
            columns[f"{band}_coefficients"] = lists(random.normal(size=(rows, 55)) * 10)
            columns[f"{band}_coefficient_errors"] = lists(random.random((rows, 55)).astype(np.float32))
            correlations = (random.random((rows, 1485)) - 0.5).astype(np.float32) / 50
            columns[f"{band}_coefficient_correlations"] = lists(correlations)
        return pyarrow.RecordBatch.from_pydict(columns)
    flux = np.round(random.uniform(0.1, 9, (rows, DR3.samples)), 4).astype(np.float32)
    if kind in AS_COLUMNS:
        columns |= {f"flux_{number}": flux[:, number] for number in range(DR3.samples)}
    else:
        columns["flux"] = lists(flux)
    return pyarrow.RecordBatch.from_pydict(columns)


def make(kind: str, path: Path, rows: int) -> None:
    """Write a table."""
    with path.open("wb") as file:
        writer = FORMATS["csv" if kind.startswith("archive") else kind].writer(file, {})
        for first in range(0, rows, BLOCK):
            writer.write(block(kind, first, min(BLOCK, rows - first)))
        writer.close()
    if kind.startswith("archive"):
        packed = path.with_suffix(".gz")
        with path.open("rb") as plain, gzip.open(packed, "wb", 3) as file:
            shutil.copyfileobj(plain, file, 1 << 20)
        packed.replace(path)


def measure(kind: str, path: Path) -> None:
    """Read the file and write its answer; print what that took."""
    target_format = FORMATS["csv" if kind.startswith("archive") else kind]
    start, writing, rows = time.perf_counter(), 0.0, 0
    with path.open("rb") as file, opened(file) as table, tempfile.TemporaryFile() as target:
        found = recognise(table)
        if target_format.name != "csv":
            table.settle(found.others)
        writer = target_format.writer(target, {"model": "none@0"})
        for batch in read_spectra(table, found, carry=True, errors=kind.endswith("errors")):
            rows += len(batch)
            begin = time.perf_counter()
            values = np.full((len(batch), 5), 0.123456)
            redshifts = Redshifts(values, np.zeros(len(batch), np.int32))
            writer.write(beside(batch.carried, Predictions(redshifts, None, {}), {}))
            writing += time.perf_counter() - begin
        begin = time.perf_counter()
        writer.close()
        writing += time.perf_counter() - begin
    reading = time.perf_counter() - start - writing
    # Of this program alone: what getrusage tells begins with the memory of the one that started it.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
    print(
        f"| {kind} | {rows} | {path.stat().st_size / 2**20:.0f} | {rows / reading:.0f} | {rows / writing:.0f} | "
        f"{(reading + writing) / rows * 1e6:.1f} | {peak:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure all formats."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.file:
        measure(options.kind, options.file)
        return
    print("| format | rows | MB | read, rows/s | written, rows/s | both, us a row | peak, MB |\n" + "|---" * 7 + "|")
    for kind in [options.kind] if options.kind else KINDS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table"
            make(kind, path, options.rows // 20 if kind.startswith("archive") else options.rows)
            subprocess.run([sys.executable, __file__, "--kind", kind, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
