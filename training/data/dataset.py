"""Labelled spectra for training and evaluation: read and checked. Imports `columns`, `unusable` of the project."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import Detail, InvalidInputError
from gaia_redshift.spectra import DR3, GRIDS, TRAINING_EBV, FloatArray, Grid
from training.data.columns import read_columns
from training.data.unusable import unusable

MINIMUM_ROWS = 100
"""With fewer, the smallest part has fewer than ten galaxies, too few to measure anything."""

Policy = Literal["refuse", "drop"]
"""What becomes of a file with rows that cannot be used: it is refused, or they are left out; either way counted."""

ORIGIN = {
    True: "Simulated spectra.",
    False: "Observed spectra.",
    None: "The file does not say whether its spectra are simulated.",
}
"""By `Dataset.simulated`."""

_PROVENANCE = (
    "simulated", "simulator_version", "sky", "grid_id", "seed", "count", "redshift_distribution", "ebv_range",
)  # fmt: skip


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
    """Of the file, so that a card identifies its data."""
    simulated: bool | None
    """None where the file does not say."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What else the file says of its origin: the simulator's version and seed, for the card."""
    properties: Mapping[str, FloatArray] = field(default_factory=dict)
    """Those of `columns.PROPERTIES` that the file has, each of shape (n,), NaN where it has no value."""
    source_id: NDArray[np.str_] | None = None
    """Shape (n,), empty where a row has none; None where the file has none at all."""
    dropped: Mapping[str, int] = field(default_factory=dict)
    """How many rows of the file were left out, by reason."""
    grid: Grid = DR3
    """Where the spectra are sampled, which tells the release of Gaia."""

    def __len__(self) -> int:
        return len(self.redshift)

    @property
    def ebv(self) -> float:
        """Mean E(B-V) in front of the galaxies, mag: that of the range that was simulated, else of SDSS's."""
        said = [float(end) for end in self.provenance.get("ebv_range", "").split() if self.simulated]
        return sum(said) / len(said) if said else TRAINING_EBV

    def left_out(self) -> list[str]:
        """Return how many rows were left out for each reason, in words."""
        return [f"{count:,} {'row' if count == 1 else 'rows'} with {what}" for what, count in self.dropped.items()]


def read(path: Path, policy: Policy = "refuse") -> Dataset:
    """Read a training set, as `load` does, and refuse one that a network cannot learn from.

    Raises
    ------
    InvalidInputError
        As `load`; or if fewer than `MINIMUM_ROWS` rows are left, or a column is constant.
    """
    dataset = load(path, policy)
    name, redshift = dataset.name, dataset.redshift
    if len(dataset) < MINIMUM_ROWS:
        left = "usable rows" if dataset.dropped else "rows"
        raise InvalidInputError(f"{name} has {len(dataset)} {left}: at least {MINIMUM_ROWS} are needed to train")
    if redshift.min() == redshift.max():
        raise InvalidInputError(f"{name} has one redshift only, {redshift[0]:g}: there is nothing to learn")
    constant = np.flatnonzero(dataset.flux.min(axis=0) == dataset.flux.max(axis=0))
    if len(constant):
        raise InvalidInputError(
            f"{name} has {len(constant)} constant flux columns, the first flux_{constant[0]}: are spectra missing?"
        )
    return dataset


def load(path: Path, policy: Policy = "refuse") -> Dataset:
    """Read labelled spectra, however few, from a file in any format of `gaia_redshift.tables`.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, lacks columns or has no rows; or, by the policy `refuse`, if a row holds a value
        that is not finite or a redshift outside 0 to 0.6, or repeats the source_id or the spectrum of another.
    """
    columns, metadata = read_columns(path)
    dataset = Dataset(**columns, **_declared(metadata), name=path.name, sha256=file_sha256(path))
    if not len(dataset):
        raise InvalidInputError(f"{path.name} has no rows")
    refused = unusable(dataset.flux, dataset.redshift, dataset.source_id)
    if not refused:
        return dataset
    if policy == "refuse":
        problems = [
            Detail(f"row {int(np.flatnonzero(rows)[0])}", f"{_rows_have(int(rows.sum()))} {what}; this is the first")
            for what, rows in refused.items()
        ]
        raise InvalidInputError(
            f"{path.name} has rows that cannot be used; mend them, or add --policy drop to leave them out", problems
        )
    kept = ~np.logical_or.reduce(list(refused.values()))
    if not kept.any():
        raise InvalidInputError(f"{path.name} has no usable row")
    return replace(_rows(dataset, kept), dropped={what: int(rows.sum()) for what, rows in refused.items()})


def declare(dataset: Dataset, *, observed: bool | None) -> Dataset:
    """Return the data set as its user says that it is, observed or simulated; None leaves it as it is.

    Raises InvalidInputError if the file says the opposite.
    """
    if observed is None:
        return dataset
    if dataset.simulated is observed:
        says = "simulated" if dataset.simulated else "observed"
        raise InvalidInputError(f"{dataset.name} says that its spectra are {says}: leave the option out")
    return replace(dataset, simulated=not observed)


def say_dropped(dataset: Dataset) -> None:
    """Print on standard error how many rows were left out, and why."""
    for reason in dataset.left_out():
        sys.stderr.write(f"{dataset.name}: left out {reason}\n")


def _rows_have(count: int) -> str:
    return "1 row has" if count == 1 else f"{count} rows have"


def _rows(dataset: Dataset, kept: NDArray[np.bool_]) -> Dataset:
    """Return some rows of a data set."""

    def some(column: Any) -> Any:
        return None if column is None else column[kept]

    columns = {name: some(getattr(dataset, name)) for name in ("flux", "redshift", "parent", "part", "source_id")}
    return replace(dataset, **columns, properties={name: some(held) for name, held in dataset.properties.items()})


def _declared(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the simulator's metadata say, and on which grid the spectra are."""
    said = {name: metadata[name] for name in _PROVENANCE if name in metadata}
    simulated = said.pop("simulated", None)
    return {
        "simulated": None if simulated is None else simulated.lower() == "true",
        "provenance": said,
        "grid": GRIDS[metadata["grid_id"]],
    }


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
