"""Labelled spectra for training: read, checked and split. Imports `spectra` and `errors` of the project.

Two formats are read. The dissertation's CSV has one row per galaxy, ``z,flux_0..flux_185``, the columns in any order
and others ignored. The simulator's Parquet has ``z``, ``flux`` (a list of 186 float32) and, where they are known,
``parent_id`` and ``part``; its schema's metadata says that it is simulated.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from app.errors import Detail, InvalidInputError
from app.spectra import FLUX_COUNT, FloatArray

REDSHIFT_RANGE = (0.0, 0.6)
"""Kiraleos 2023, section 3.1: beyond 0.6 the survey holds too few galaxies to learn from."""

MINIMUM_ROWS = 100
"""Below this the smallest part has fewer than ten galaxies and nothing measured on it means anything."""

FLUX_COLUMNS = tuple(f"flux_{index}" for index in range(FLUX_COUNT))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Spectra with their redshifts, all of them usable."""

    flux: FloatArray
    """Shape (n, 186), e-/s per sample."""
    redshift: FloatArray
    """Shape (n,), the spectroscopic (or simulated) redshift."""
    parent: NDArray[np.int64] | None
    """Shape (n,): the galaxy that each simulated spectrum was made from; None where the file does not say."""
    part: NDArray[np.str_] | None
    """Shape (n,): train, validation or test; None where the file leaves the split to us."""
    name: str
    """The file's name, for the card."""
    sha256: str
    """Of the file, so that a card names its data beyond doubt."""
    simulated: bool | None
    """None where the file does not say."""

    def __len__(self) -> int:
        return len(self.redshift)


def read(path: Path) -> Dataset:
    """Read a training set and refuse one that would silently train a bad network.

    Parameters
    ----------
    path : Path
        ``*.parquet``, or anything else as CSV (also compressed, ``.csv.gz``).

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        If the file cannot be read, lacks columns, has fewer than `MINIMUM_ROWS` rows, holds a value that is not
        finite or a redshift outside 0 to 0.6, or has a constant column.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file")
    try:
        columns = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise InvalidInputError(f"{path.name} cannot be read: {error}") from error
    dataset = Dataset(name=path.name, sha256=_sha256(path), **columns)
    _check(dataset)
    return dataset


def declare(dataset: Dataset, *, observed: bool | None) -> Dataset:
    """Return the data set with what its user says of its origin, where the file does not say it.

    Parameters
    ----------
    dataset : Dataset
    observed : bool or None
        True for real spectra, False for simulated ones, None to leave it as it is.

    Returns
    -------
    Dataset

    Raises
    ------
    InvalidInputError
        If the file says the opposite.
    """
    if observed is None:
        return dataset
    if dataset.simulated is observed:
        says = "simulated" if dataset.simulated else "observed"
        raise InvalidInputError(f"{dataset.name} says that its spectra are {says}: leave the option out")
    return replace(dataset, simulated=not observed)


def _read_csv(path: Path) -> dict[str, Any]:
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path.name} is empty")
    wanted = ["z", *FLUX_COLUMNS]
    with pyarrow.csv.open_csv(path) as header:
        _require(path, wanted, header.schema.names)
    # Typing only the columns that are read keeps 520,393 rows under 1 GB and refuses text at its exact place.
    options = pyarrow.csv.ConvertOptions(include_columns=wanted, column_types=dict.fromkeys(wanted, pa.float32()))
    blocks = [np.empty((0, len(wanted)), np.float32)]
    with pyarrow.csv.open_csv(path, convert_options=options) as reader:
        blocks += [np.stack([_floats(column) for column in block.columns], axis=1) for block in reader]
    table = np.concatenate(blocks)
    flux = np.ascontiguousarray(table[:, 1:])
    return {"flux": flux, "redshift": table[:, 0].copy(), "parent": None, "part": None, "simulated": None}


def _read_parquet(path: Path) -> dict[str, Any]:
    with pyarrow.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow
        _require(path, ["z", "flux"], schema.names)
        present = [name for name in ("z", "flux", "parent_id", "part") if name in schema.names]
        table = file.read(columns=present).combine_chunks()
    parent = table["parent_id"].to_numpy() if "parent_id" in present else None
    part = np.asarray(table["part"].to_pylist(), dtype=np.str_) if "part" in present else None
    return {
        "flux": _flux_list(path, table["flux"]),
        "redshift": _floats(table["z"]),
        "parent": parent,
        "part": part,
        "simulated": _declared_simulated(schema.metadata or {}),
    }


def _flux_list(path: Path, column: Any) -> FloatArray:
    """Return a list column as shape (n, 186); a missing spectrum becomes NaN, which `_check` counts."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise InvalidInputError(f"{path.name}: column flux is {kind}, not a list of {FLUX_COUNT} numbers")
    flux = np.full((len(column), FLUX_COUNT), np.nan, np.float32)
    row = 0
    for chunk in column.chunks:
        lengths = chunk.value_lengths().fill_null(0).to_numpy()
        filled = lengths != 0
        if not (lengths[filled] == FLUX_COUNT).all():
            wrong = int(np.flatnonzero(filled & (lengths != FLUX_COUNT))[0])
            raise InvalidInputError(f"{path.name}: row {row + wrong} has {lengths[wrong]} fluxes, not {FLUX_COUNT}")
        flux[row : row + len(chunk)][filled] = _floats(chunk.drop_null().flatten()).reshape(-1, FLUX_COUNT)
        row += len(chunk)
    return flux


def _floats(column: Any) -> FloatArray:
    """Return an Arrow array as float32, nulls as NaN."""
    values = column.cast(pa.float32()).to_numpy(**({"zero_copy_only": False} if isinstance(column, pa.Array) else {}))
    return np.asarray(values, dtype=np.float32)


def _declared_simulated(metadata: dict[bytes, bytes]) -> bool | None:
    declared = {key.decode(): value.decode() for key, value in metadata.items()}.get("simulated")
    return None if declared is None else declared.lower() == "true"


def _require(path: Path, wanted: list[str], present: list[str]) -> None:
    missing = [name for name in wanted if name not in present]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise InvalidInputError(f"{path.name} lacks the columns {shown}; a training set has z and {FLUX_COUNT} fluxes")
    repeated = sorted({name for name in wanted if present.count(name) > 1})
    if repeated:
        raise InvalidInputError(f"{path.name} has the column {repeated[0]} more than once")


def _check(dataset: Dataset) -> None:
    name, redshift = dataset.name, dataset.redshift
    if len(dataset) < MINIMUM_ROWS:
        raise InvalidInputError(f"{name} has {len(dataset)} rows: at least {MINIMUM_ROWS} are needed to train")
    problems = list(_row_problems(dataset))
    if problems:
        raise InvalidInputError(f"{name} has rows that cannot be trained on", problems)
    if redshift.min() == redshift.max():
        raise InvalidInputError(f"{name} has one redshift only, {redshift[0]:g}: there is nothing to learn")
    constant = np.flatnonzero(dataset.flux.min(axis=0) == dataset.flux.max(axis=0))
    if len(constant):
        raise InvalidInputError(
            f"{name} has {len(constant)} constant flux columns, the first flux_{constant[0]}: are spectra missing?"
        )


def _row_problems(dataset: Dataset) -> Iterator[Detail]:
    low, high = REDSHIFT_RANGE
    # min and max carry any NaN or infinity without a second array as large as the fluxes.
    finite = np.isfinite(dataset.flux.min(axis=1)) & np.isfinite(dataset.flux.max(axis=1))
    unusable = {
        "a value that is missing or not finite": ~(finite & np.isfinite(dataset.redshift)),
        f"a redshift outside {low:g} to {high:g}": (dataset.redshift < low) | (dataset.redshift > np.float32(high)),
    }
    for what, rows in unusable.items():
        if rows.any():
            yield Detail(
                f"row {int(np.flatnonzero(rows)[0])}",
                f"{int(rows.sum())} rows have {what}; this is the first",
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
