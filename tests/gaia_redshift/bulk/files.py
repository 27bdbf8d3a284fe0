"""Files of spectra, good ones and damaged ones, and the ways to run over them."""

import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow
from pyarrow import parquet

from gaia_redshift.bulk.job import Task, do
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.bulk.plan import Job
from gaia_redshift.bulk.predicting import Predicting
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3

BAND = (
    "basis_function_id", "degrees_of_freedom", "n_parameters", "n_measurements", "n_rejected_measurements",
    "standard_deviation", "chi_squared", "coefficients", "coefficient_errors", "coefficient_correlations",
    "n_relevant_bases", "relative_shrinking",
)  # fmt: skip
HEADER = ["source_id", "solution_id", *(f"{band}_{column}" for band in ("bp", "rp") for column in BAND)]
FIRST_ID = 4_000_000_000_000_000_000


def here(task: Task, jobs: Sequence[Job]) -> Iterator[tuple[Job, Outcome]]:
    """Do jobs in this process."""
    for job in jobs:
        yield job, do(task, job)


def predicting(models: Path, **more: object) -> Predicting:
    """Return the task of the tiny model."""
    return Predicting.by(Predictor("tiny", models=models, threads=1), AnswerOptions(), **more)  # type: ignore[arg-type]


def write_spectra(path: Path, rows: int, seed: int = 0, *, checksums: bool = True) -> Path:
    """Write a Parquet file of spectra."""
    flux = np.random.default_rng(seed).uniform(0.1, 0.9, (rows, DR3.samples)).astype(np.float32)
    columns = {
        "source_id": pyarrow.array(np.arange(rows) + FIRST_ID + seed * 10**6),
        "flux": pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.ravel()), DR3.samples),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(
        pyarrow.table(columns), path, row_group_size=1000, write_page_checksum=checksums, compression="none",
        use_dictionary=False,
    )  # fmt: skip
    return path


def archive_rows(rows: int, seed: int = 0, brackets: str = "[]", sizes: tuple[int, int] = (55, 55)) -> list[str]:
    """Return rows as the archive has them, but with short correlations."""
    random = np.random.default_rng(seed)
    made = []
    for row in range(rows):
        cells = [str(FIRST_ID + seed * 10**6 + row), "0"]
        for basis, size in zip(("56", "57"), sizes, strict=True):
            values = random.normal(0, 0.05, size)
            values[0] += 1
            arrays = [values, np.ones(size), np.zeros(60)]
            texts = [f'"{brackets[0]}{", ".join(map(str, each.tolist()))}{brackets[1]}"' for each in arrays]
            cells += [basis, "4646", str(size), "4701", "19", "1.1", "5853.5", *texts, "53", "1.0"]
        made.append(",".join(cells))
    return made


def ecsv_header() -> str:
    """Return the header of the archive's bulk files."""
    kinds = {"source_id": "int64", "solution_id": "int64"}
    lines = ["# %ECSV 1.0", "# ---", "# delimiter: ','", "# datatype:"]
    for name in HEADER:
        kind = kinds.get(name, "float64" if name.endswith(("deviation", "squared", "shrinking")) else "int16")
        if "coefficient" in name:
            lines += [f"# - {{name: {name}, datatype: string, subtype: 'float64[null]'}}"]
        else:
            lines += [f"# - {{name: {name}, datatype: {kind}}}"]
    return "\n".join(lines) + "\n"


def write_archive(path: Path, rows: Sequence[str], *, header: str | None = None) -> Path:
    """Write a gzipped file of the archive."""
    text = "\n".join([",".join(HEADER), *rows]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(((ecsv_header() if header is None else header) + text).encode(), mtime=0))
    return path


def flip_bit(path: Path, place: int) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    path.write_bytes(content)


def outputs(folder: Path) -> dict[str, bytes]:
    """Return the outputs in a folder by name, with their exact content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.parquet"))}
