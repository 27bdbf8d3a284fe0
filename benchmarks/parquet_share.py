"""Measure Parquet to Parquet in one thread, stage by stage, relative to the graph alone.

    python -m benchmarks.parquet_share [--rows 200000] [--folder runs/scale] [--rounds 7]

Processor time, in turn: the graph alone, reading alone, reading and predicting, all that `bulk` does with a file. The
shares are medians over rounds, since the speed of a shared machine changes by a tenth within minutes.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")

from benchmarks.scale import ROOT, write
from benchmarks.tables import spectra
from gaia_redshift.bulk.job import do
from gaia_redshift.bulk.plan import Shard, plan
from gaia_redshift.bulk.predicting import Predicting
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.tables.answers import beside
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra


def seconds(work: Callable[[], None]) -> float:
    """Return the processor seconds of a piece of work, of all threads."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Print the seconds of each stage and its share."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rows", type=int, default=200_000)
    options.add_argument("--folder", type=Path, default=ROOT / "runs" / "scale")
    options.add_argument("--rounds", type=int, default=7)
    asked = options.parse_args()
    folder = write(asked.folder / f"one-{asked.rows}", asked.rows, 1)
    predictor, wanted = Predictor("default", threads=1), AnswerOptions()
    task = Predicting.by(predictor, wanted)
    (job,) = plan([str(folder)], str(asked.folder / "share"), Shard())
    flux = spectra(10_000)
    about = predictor.about(wanted)

    def graph() -> None:
        for _ in range(asked.rows // len(flux)):
            predictor.engine(flux)

    def read(then: Callable[..., object]) -> None:
        with Path(job.source.place).open("rb") as file, opened(file, job.source.name) as table:
            found = recognise(table, predictor.bundle.grid)
            table.settle(found.others)
            for batch in read_spectra(table, found, carry=True):
                then(batch)

    def whole() -> None:
        outcome = do(task, job)
        if outcome.rows != asked.rows or outcome.failed:
            raise SystemExit(f"not every row has a redshift: {outcome}")

    stages: dict[str, Callable[[], None]] = {
        "graph": graph,
        "read": lambda: read(lambda _: None),
        "read, predict": lambda: read(lambda batch: predictor.predict(batch, wanted)),
        "read, predict, join": lambda: read(
            lambda batch: beside(batch.carried, predictor.predict(batch, wanted), about)
        ),
        "bulk": whole,
    }
    whole()
    found: dict[str, list[float]] = {name: [] for name in stages}
    for _ in range(asked.rounds):
        for name, work in stages.items():
            found[name].append(seconds(work))
    print(f"{asked.rows:,} spectra in one Parquet file, one thread, medians of {asked.rounds} rounds in turn\n")
    print("| stage | processor s | rows/s | the graph's share |\n|---|---|---|---|")
    for name, taken in found.items():
        share = statistics.median(one / other for one, other in zip(found["graph"], taken, strict=True))
        middle = statistics.median(taken)
        print(f"| {name} | {middle:.2f} | {asked.rows / middle:,.0f} | {share:.1%} |")
    best = min(found["graph"]) / min(found["bulk"])
    print(f"\nleast of each: {best:.1%}")


if __name__ == "__main__":
    main()
