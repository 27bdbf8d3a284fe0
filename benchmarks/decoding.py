"""Measure reading requests and writing answers, without a network: milliseconds on one core.

python benchmarks/decoding.py [--rounds N]
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable

import numpy as np
import orjson
import pyarrow
from processes import machine

from app.server import spare_the_collector
from app.wire.arrow import read_arrow
from app.wire.json import read_request
from app.wire.npy import read_npy
from app.wire.replies import reply_rows
from app.wire.schemas import PredictRequest
from gaia_redshift.interpretation.result import Predictions, Redshifts
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.answers import write_arrow
from gaia_redshift.tables.csv import read_csv, write_csv

ROWS = (1, 100, 10_000)
MOST = 100_000


def readers(rows: int) -> dict[str, tuple[Callable[[bytes], object], bytes]]:
    """Return every reader with a body of so many spectra."""
    flux = np.random.default_rng(1).uniform(0.1, 20, (rows, DR3.samples)).astype(np.float32).round(4)
    names = [str(4295806720 + row) for row in range(rows)]
    rounded = flux.astype(np.float64).round(4).tolist()
    json = orjson.dumps(
        {"spectra": [{"flux": row, "source_id": name} for row, name in zip(rounded, names, strict=True)]}
    )
    npy = io.BytesIO()
    np.save(npy, flux)
    batch = pyarrow.record_batch(
        {"flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples), "source_id": names}
    )
    arrow = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(arrow, batch.schema) as stream:
        stream.write_batch(batch)
    csv = io.StringIO()
    csv.write(",".join(f"flux_{number}" for number in range(DR3.samples)) + "\n")
    np.savetxt(csv, flux, fmt="%.4f", delimiter=",")
    return {
        "JSON, by the schema": (PredictRequest.model_validate_json, json),
        "JSON, as the service does": (lambda body: read_request(body, MOST), json),
        "CSV": (lambda body: list(read_csv(io.BytesIO(body))), csv.getvalue().encode()),
        "Arrow stream": (lambda body: read_arrow(body, MOST), arrow.getvalue().to_pybytes()),
        "npy": (lambda body: read_npy(body, MOST), npy.getvalue()),
    }


def writers(rows: int) -> dict[str, Callable[[], object]]:
    """Return every writer of an answer."""
    values = np.random.default_rng(1).uniform(0, 0.5, rows).round(6)
    redshifts = Redshifts(np.tile(values[:, None], (1, 5)), np.zeros(rows, np.int32))
    predictions = Predictions(redshifts, [str(4295806720 + row) for row in range(rows)], {})
    return {
        "answer in JSON": lambda: orjson.dumps(reply_rows(predictions)),
        "answer in CSV": lambda: write_csv(predictions, header=True).encode(),
        "answer in Arrow": lambda: write_arrow(predictions, {"model": "a@1.0.0"}),
    }


def milliseconds(work: Callable[[], object], rounds: int) -> float:
    """Return the median over some rounds of about 0.2 s."""
    work()
    found = []
    for _ in range(rounds):
        done, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < 0.2 or not done:
            work()
            done += 1
        found.append(1000 * elapsed / done)
    return statistics.median(found)


def main() -> None:
    """Print a row for each reader and writer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    spare_the_collector()  # as in the service: thousands of spectra are many new objects
    cells: dict[str, list[str]] = {}
    for rows in ROWS:
        for name, (read, body) in readers(rows).items():
            cells.setdefault(name, []).append(f"{milliseconds(lambda r=read, b=body: r(b), rounds):.3g}")
        for name, write in writers(rows).items():
            cells.setdefault(name, []).append(f"{milliseconds(write, rounds):.3g}")
    print(f"{machine()}\n\n| ms, by number of spectra | {' | '.join(f'{rows:,}' for rows in ROWS)} |")
    print(f"|---|{'---|' * len(ROWS)}")
    for name, values in cells.items():
        print(f"| {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
