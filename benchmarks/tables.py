"""Predict tables of each format: rows a second, processor time, the graph's share, peak memory.

``python -m benchmarks.tables --rows 200000 --large 1000000``. Every run is a process of its own. The graph's share is
the processor time of `Predictor.predict` on the same spectra in memory over that of the command, start-up included.
"""

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow

from gaia_redshift.spectra import DR3
from gaia_redshift.tables.formats import FORMATS

_GRAPH = """
import sys, time
import numpy as np
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import SpectrumBatch
flux = np.load(sys.argv[1])
batches = [SpectrumBatch(flux[first : first + 4096]) for first in range(0, len(flux), 4096)]
predictor, asked = Predictor(sys.argv[2], threads=1), AnswerOptions("survey", False)
predictor.predict(batches[0], asked)
start = time.process_time()
for _ in range(5):
    for batch in batches:
        predictor.predict(batch, asked)
print((time.process_time() - start) / 5 / len(flux) * 1e6)
"""
_PIECE = 20_000


def spectra(rows: int) -> np.ndarray:
    """Return noisy spectra that do not compress, shape (rows, 186)."""
    random = np.random.default_rng(rows)
    shape = 10 + 5 * np.sin(np.linspace(0, 9, DR3.samples)) + random.uniform(0, 3, (rows, 1))
    return (shape + random.normal(0, 0.5, (rows, DR3.samples))).astype(np.float32)


def make(path: Path, form: str, rows: int, *, coefficients: bool = False) -> None:
    """Write a table of `rows` sources: spectra as arrays, or the archive's coefficients."""
    with path.open("wb") as file:
        writer = FORMATS[form].writer(file, {})
        for start in range(0, rows, _PIECE):
            count = min(_PIECE, rows - start)
            ids = pyarrow.array(np.arange(start, start + count) + 4_000_000_000_000_000_000)
            columns = {"source_id": ids, "ra": pyarrow.array(np.random.default_rng(start).uniform(0, 360, count))}
            if coefficients:
                for band in ("bp_coefficients", "rp_coefficients"):
                    values = np.random.default_rng(start).normal(0, 1, count * 55)
                    values.reshape(-1, 55)[:, 0] += 300
                    columns[band] = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(values), 55)
            else:
                flat = pyarrow.array(spectra(count).ravel())
                columns["flux"] = pyarrow.FixedSizeListArray.from_arrays(flat, DR3.samples)
            writer.write(pyarrow.RecordBatch.from_pydict(columns))
        writer.close()


_COMMAND = """
import atexit, runpy, sys
report = sys.argv.pop(1)
atexit.register(lambda: open(report, "w").write(
    next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))))
sys.argv[0] = "gaia-redshift"
runpy.run_module("gaia_redshift", run_name="__main__")
"""
"""The command, which writes its peak memory at the end; `wait4` would include its parent's memory."""


def run(folder: Path, *arguments: str) -> tuple[float, float, float]:
    """Run the command; return wall seconds, processor seconds and peak megabytes."""
    start = time.perf_counter()
    report = folder / "peak"
    words = [sys.executable, "-c", _COMMAND, str(report), *arguments]
    quiet = [(os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0)]
    _, status, used = os.wait4(os.posix_spawn(words[0], words, dict(os.environ), file_actions=quiet), 0)
    if os.waitstatus_to_exitcode(status) not in {0, 1}:
        raise SystemExit(f"{' '.join(arguments)} failed")
    return time.perf_counter() - start, used.ru_utime + used.ru_stime, int(report.read_text()) / 1024


def main() -> None:
    """Measure every format, and Parquet with many rows."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--large", type=int, default=1_000_000)
    options.add_argument("--archive", type=Path, help="an XP_CONTINUOUS_RAW.csv, whose rows are repeated to 10,000")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        np.save(where / "flux.npy", spectra(_PIECE))
        graphs = graph, cnn = tuple(_graph(where / "flux.npy", model) for model in ("default", "dissertation-cnn"))
        sys.stdout.write(f"graph alone: {graph:.1f} us of processor time a spectrum, the CNN's {cnn:.1f}\n")
        sys.stdout.write("| table | rows | rows/s | CPU s | graph's share | read and written / CNN | peak MB |\n")
        sys.stdout.write("|---|---|---|---|---|---|---|\n")
        if asked.archive:
            source = _repeated(asked.archive, where / "raw.csv.gz", 10_000)
            _measure("archive csv.gz, RAW", 10_000, source, where / "out.csv", graphs)
            _measure("archive csv.gz, RAW, errors", 10_000, source, where / "out.csv", graphs, "--snr")
            source.unlink()
        kinds = [("parquet", asked.large, False)]
        kinds += [(name, asked.rows, False) for name, one in FORMATS.items() if one.writes and name != "parquet"]
        kinds += [("csv", asked.rows, True)]
        for name, rows, coefficients in kinds:
            source = where / f"in{FORMATS[name].extensions[0]}"
            make(source, name, rows, coefficients=coefficients)
            title = name
            if coefficients:
                title = "archive csv.gz"
                os.system(f"gzip -1 -f {source}")  # noqa: S605 - our own words
                source = source.with_name(source.name + ".gz")
            _measure(title, rows, source, where / f"out{FORMATS[name].extensions[0]}", graphs)
            if name == "votable":
                _measure_tabledata(source, rows, where, graphs)
            source.unlink()


def _graph(flux: Path, model: str) -> float:
    """Return the microseconds of processor time that a model's graph takes for a spectrum."""
    done = subprocess.run([sys.executable, "-c", _GRAPH, str(flux), model], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _repeated(source: Path, target: Path, rows: int) -> Path:
    """Write the rows of a file of the archive repeatedly, each with its own identifier."""
    header, *known = source.read_text().splitlines()
    place = header.split(",").index("source_id")
    with gzip.open(target, "wt", compresslevel=1) as file:
        file.write(header + "\n")
        for number in range(rows):
            cells = known[number % len(known)].split(",", place + 1)
            cells[place] = str(4_000_000_000_000_000_000 + number)
            file.write(",".join(cells) + "\n")
    return target


def _measure(title: str, rows: int, source: Path, target: Path, graphs: tuple[float, float], *more: str) -> None:
    graph, cnn = graphs
    arguments = ("predict", str(source), "-o", str(target), "--threads", "1", *more)
    wall, processor, peak = run(target.parent, *arguments)
    network = graph * rows / 1e6
    ratio = (processor - network) / (cnn * rows / 1e6)
    sys.stdout.write(
        f"| {title} | {rows:,} | {rows / wall:,.0f} | {processor:.1f} | {network / processor:.0%} | "
        f"{ratio:.2f} | {peak:.0f} |\n"
    )
    sys.stdout.flush()
    target.unlink()


def _measure_tabledata(source: Path, rows: int, where: Path, graphs: tuple[float, float]) -> None:
    """Measure the same VOTable with its numbers as text, a serialisation that we do not write."""
    from gaia_redshift.tables.formats import opened

    target = where / "tabledata.vot"
    with source.open("rb") as file, opened(file, source.name) as table, target.open("w") as text:
        fields = '<FIELD name="source_id" datatype="long"/><FIELD name="flux" datatype="float" arraysize="*"/>'
        text.write(f'<?xml version="1.0"?><VOTABLE version="1.4"><RESOURCE><TABLE>{fields}<DATA><TABLEDATA>')
        for block in table.blocks([0, table.schema.names.index("flux")]):
            ids, flux = (column.to_pylist() for column in block.columns.columns)
            for name, values in zip(ids, flux, strict=True):
                text.write(f"<TR><TD>{name}</TD><TD>{' '.join(map(str, values))}</TD></TR>")
        text.write("</TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>")
    _measure("votable (TABLEDATA)", rows, target, where / "out.vot", graphs)
    target.unlink()


if __name__ == "__main__":
    main()
