"""Predict tables of many rows, by the command and by the service, compared with the network's time.

    python benchmarks/bulk.py [--model FOLDER] [--rows N ...] [--no-http]

20,000 simulated galaxies, repeated, are written as CSV and Parquet into ``runs/bulk``. For each table a process runs
`gaia-redshift predict`; another is a service to which the table is uploaded. Memory is the highest resident set of the
process that predicts. Every answer is checked: all rows, in order, with the right redshifts.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pyarrow
from processes import free_port, machine, serving
from pyarrow import csv as arrow_csv
from pyarrow import parquet

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle
from gaia_redshift.engine import available_cores, load_engine
from gaia_redshift.spectra import DR3, FloatArray

FOLDER = Path(__file__).parents[1] / "runs" / "bulk"
GALAXIES = 20_000
NAMES = [f"flux_{number}" for number in range(DR3.samples)]
DECIMALS = 4
PIECE_BYTES = 1 << 20


def galaxies() -> FloatArray:
    """Return simulated galaxies, shape (20000, 186), rounded as the tables hold them."""
    path = FOLDER / "galaxies.parquet"
    if not path.exists():
        command = [
            sys.executable,
            "-m",
            "gaia_redshift.commands.main",
            "simulate",
            "-n",
            str(GALAXIES),
            "--seed",
            "11",
            "-o",
            str(path),
        ]
        subprocess.run(command, check=True)
    column = parquet.read_table(path, columns=["flux"])["flux"].combine_chunks()
    return column.values.to_numpy().reshape(-1, DR3.samples).round(DECIMALS)


def write_table(path: Path, flux: FloatArray, rows: int) -> Path:
    """Write a table of so many rows, unless it is there."""
    if path.exists():
        return path
    part = path.with_suffix(".part")
    ids = pyarrow.array(np.arange(rows))
    if path.suffix == ".csv":
        kind = pyarrow.schema([("source_id", pyarrow.int64()), *((name, pyarrow.float32()) for name in NAMES)])
        with arrow_csv.CSVWriter(part, kind) as writer:
            for start in range(0, rows, len(flux)):
                block = flux[: min(len(flux), rows - start)]
                columns = [ids.slice(start, len(block)), *(np.ascontiguousarray(column) for column in block.T)]
                writer.write_table(pyarrow.table(dict(zip(kind.names, columns, strict=True)), schema=kind))
    else:
        spectra = pyarrow.list_(pyarrow.float32(), DR3.samples)
        kind = pyarrow.schema([("source_id", pyarrow.int64()), ("flux", spectra)])
        with parquet.ParquetWriter(part, kind, compression="zstd") as writer:
            for start in range(0, rows, len(flux)):
                block = flux[: min(len(flux), rows - start)]
                column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(block.ravel()), DR3.samples)
                writer.write_table(
                    pyarrow.table({"source_id": ids.slice(start, len(block)), "flux": column}, schema=kind)
                )
    part.rename(path)
    return path


def rows_of(path: Path) -> Iterator[tuple[int, float]]:
    """Yield each row's number and redshift from an answer."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                yield int(row["source_id"]), float(row["redshift"] or "nan")
        return
    for batch in parquet.ParquetFile(path).iter_batches():
        redshifts = batch["redshift"].to_numpy(zero_copy_only=False).tolist()
        yield from zip(map(int, batch["source_id"].to_pylist()), redshifts, strict=True)


def check(path: Path, rows: int, expected: list[float]) -> str:
    """Return whether an answer has every row, in order, with the right redshift."""
    count = 0
    for number, redshift in rows_of(path):
        truth = expected[number % len(expected)]
        if number != count or not (abs(redshift - truth) < 1e-4 or (np.isnan(redshift) and np.isnan(truth))):
            return f"WRONG at row {count}"
        count += 1
    return "yes" if count == rows else f"WRONG: {count} rows"


def by_command(source: Path, target: Path, bundle: Bundle) -> tuple[float, float]:
    """Run the command in its own process; return seconds and peak MB."""
    command = [sys.executable, "-m", "gaia_redshift", "predict", str(source), "-o", str(target)]
    command += ["--models", str(bundle.folder.parent), "--model", bundle.manifest.id]
    environment = {**os.environ, "GAIA_REDSHIFT_DEFAULT_MODEL": bundle.manifest.id, "GAIA_REDSHIFT_ENGINE": "onnx"}
    started = time.perf_counter()
    most = 0.0
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env=environment, stderr=errors)
        while process.poll() is None:
            most = most_resident_mb(process.pid) or most
            time.sleep(0.02)
        seconds = time.perf_counter() - started
        errors.seek(0)
        if process.returncode not in {0, 1}:
            raise RuntimeError(errors.read().decode())
    return seconds, most


def most_resident_mb(pid: int) -> float:
    """Return the highest resident set of a process so far; 0 if it has ended.

    The kernel's number for a child includes its parent's memory before the child started its program.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    _, found, rest = status.partition("VmHWM:")
    return int(rest.split()[0]) * 1024 / 1e6 if found else 0.0


def by_upload(source: Path, target: Path, bundle: Bundle) -> tuple[float, float]:
    """Upload the table to a new service; return seconds and peak MB."""
    port = free_port()
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
        "GAIA_REDSHIFT_ENGINE": "onnx",
        "GAIA_REDSHIFT_MAX_BODY_BYTES": str(1 << 33),
        "GAIA_REDSHIFT_MAX_BODY_BYTES_HELD": str(1 << 33),
    }
    header = f"{','.join(['source_id', *NAMES])}\n0,{','.join(map(str, range(DR3.samples)))}\n".encode()
    url = f"http://127.0.0.1:{port}/predict/csv"
    with (
        tempfile.NamedTemporaryFile() as log,
        serving(command, url, header, Path(log.name), content_type="text/csv", **settings) as server,
        source.open("rb") as file,
        target.open("wb") as answer,
    ):
        started = time.perf_counter()
        pieces = iter(lambda: file.read(PIECE_BYTES), b"")
        with httpx.stream("POST", url, content=pieces, headers={"Content-Type": "text/csv"}, timeout=None) as response:  # noqa: S113
            response.raise_for_status()
            for piece in response.iter_bytes():
                answer.write(piece)
        seconds = time.perf_counter() - started
        return seconds, most_resident_mb(server.process.pid)


def main() -> None:
    """Print a row for each table and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=SHIPPED_MODELS / "dissertation-cnn", help="a bundle's folder")
    parser.add_argument("--rows", type=int, nargs="*", default=[100_000])
    parser.add_argument("--formats", nargs="*", default=[".csv", ".parquet"])
    parser.add_argument("--no-http", action="store_true")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    flux = galaxies()
    bundle = Bundle(options.model.resolve())
    engine = load_engine(bundle, "onnx", available_cores())
    engine(flux[:256])
    print(f"{bundle.manifest.id} on {machine()}\n")
    print("| table | way | seconds | of the network's | most memory, MB | rows in order |\n|---|---|---|---|---|---|")
    expected: list[float] | None = None
    for rows in options.rows:
        for extension in options.formats:
            source = write_table(FOLDER / f"{rows}{extension}", flux, rows)
            ways = {f"`predict`, {extension} out": by_command}
            if extension == ".csv" and not options.no_http:
                ways["`POST /predict/csv`"] = by_upload
            for way, run in ways.items():
                started = time.perf_counter()
                engine(flux)
                alone = (time.perf_counter() - started) * rows / len(flux)
                target = FOLDER / f"answer{extension}"
                seconds, megabytes = run(source, target, bundle)
                if expected is None:  # from a small table, which the large ones repeat
                    by_command(
                        write_table(FOLDER / f"{len(flux)}.parquet", flux, len(flux)), FOLDER / "few.csv", bundle
                    )
                    expected = [redshift for _, redshift in rows_of(FOLDER / "few.csv")]
                size = f"{rows:,} rows, {extension} of {source.stat().st_size / 1e6:,.0f} MB"
                print(
                    f"| {size} | {way} | {seconds:.1f} | {seconds / alone:.2f} | {megabytes:.0f} | "
                    f"{check(target, rows, expected)} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
