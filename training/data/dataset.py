"""Labelled spectra for training and evaluation: read and checked. Imports `columns`, `errors` and `spectra`."""

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import Detail, InvalidInputError, counted
from gaia_redshift.spectra import DR3, GRIDS, TRAINING_EBV, FloatArray, Grid, SpectrumBatch
from training.data.columns import read_table

REDSHIFT_RANGE = (0.0, 0.6)
"""Kiraleos 2023, section 3.1: beyond 0.6 the survey holds too few galaxies to learn from."""

PROPERTIES = ("magnitude", "snr_bp", "snr_rp", "transits", "ebv")
"""What an evaluation may be binned by, and E(B-V), for which it corrects; a training uses none of it."""

MINIMUM_ROWS = 100
"""With fewer, the smallest part has fewer than ten galaxies, too few to measure anything."""

Policy = Literal["refuse", "drop"]
"""For a file with rows that cannot be used: refuse it, or leave them out and count them."""

ORIGIN = {
    True: "Simulated spectra.",
    False: "Observed spectra.",
    None: "The file does not say whether its spectra are simulated.",
}
"""By `Dataset.simulated`."""

Mask = NDArray[np.bool_]

_PROVENANCE = ("simulator_version", "grid_id", "seed", "count", "redshift_distribution", "beyond_share", "ebv_range")


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
    sha256: str
    simulated: bool | None
    """None where the file does not say."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What else the file says of its origin: the simulator's version and seed, for the card."""
    properties: Mapping[str, FloatArray] = field(default_factory=dict)
    """Those of `PROPERTIES` that the file has, each of shape (n,), NaN where it has no value."""
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

    def batch(self, rows: NDArray[np.intp] | slice = slice(None)) -> SpectrumBatch:
        """Return some spectra, with the E(B-V) in front of each if the file has it."""
        batch = SpectrumBatch(self.flux[rows], grid=self.grid)
        return batch.behind(self.properties["ebv"][rows].astype(np.float64)) if "ebv" in self.properties else batch

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
    flux, read, said = read_table(path, ("z", "source_id", "parent_id", "part", *PROPERTIES))
    parent, simulated = read.get("parent_id"), said.get("simulated")
    dataset = Dataset(
        flux=flux,
        redshift=read["z"],
        # A spectrum without a parent gets a number of its own, so that it shares its part with no other.
        parent=None if parent is None else np.where(parent < 0, -1 - np.arange(len(parent)), parent),
        part=read.get("part"),
        name=path.name,
        sha256=file_sha256(path),
        simulated=None if simulated is None else simulated.lower() == "true",
        provenance={name: said[name] for name in _PROVENANCE if name in said},
        properties={name: read[name] for name in PROPERTIES if name in read},
        source_id=read.get("source_id"),
        grid=GRIDS[said["grid_id"]],
    )
    if not len(dataset):
        raise InvalidInputError(f"{path.name} has no rows")
    refused = unusable(dataset.flux, dataset.redshift, dataset.source_id)
    if not refused:
        return dataset
    dropped = {what: int(rows.sum()) for what, rows in refused.items()}
    if policy == "refuse":
        have = {what: counted(count, "row has", "rows have") for what, count in dropped.items()}
        problems = [
            Detail(f"row {np.argmax(rows)}", f"{have[what]} {what}; this is the first")
            for what, rows in refused.items()
        ]
        raise InvalidInputError(
            f"{path.name} has rows that cannot be used; correct them, or add --policy drop to leave them out", problems
        )
    kept = ~np.logical_or.reduce(list(refused.values()))
    if not kept.any():
        raise InvalidInputError(f"{path.name} has no usable row")
    columns = {name: getattr(dataset, name) for name in ("flux", "redshift", "parent", "part", "source_id")}
    return replace(
        dataset,
        **{name: column[kept] for name, column in columns.items() if column is not None},
        properties={name: column[kept] for name, column in dataset.properties.items()},
        dropped=dropped,
    )


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


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file of any size, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def unusable(flux: FloatArray, redshift: FloatArray, source_id: NDArray[np.str_] | None) -> dict[str, Mask]:
    """Return the rows that cannot be used, by reason.

    Of duplicates the first is usable; a second one in the test part would make the test too easy. Fluxes have shape (n,
    186), the other columns (n,); a source_id is empty where a row has none. Returned are the reasons that at least one
    row has, in words, and masks of shape (n,); no row has two reasons.
    """
    low, high = REDSHIFT_RANGE
    # min and max carry any NaN or infinity without a second array as large as the fluxes.
    finite = np.isfinite(flux.min(axis=1)) & np.isfinite(flux.max(axis=1)) & np.isfinite(redshift)
    inside = (redshift >= low) & (redshift <= np.float32(high))
    usable = finite & inside
    found = {
        "a value that is missing or not finite": ~finite,
        f"a redshift outside {low:g} to {high:g}": finite & ~inside,
    }
    if source_id is not None:
        named = usable & (source_id != "")
        found["the source_id of an earlier row"] = _repeated(source_id, named)
        usable &= ~found["the source_id of an earlier row"]
    found["the spectrum of an earlier row"] = _repeated(_digests(flux), usable)
    return {reason: rows for reason, rows in found.items() if rows.any()}


def _repeated(values: NDArray[np.generic], among: Mask) -> Mask:
    """Return which of some rows hold what an earlier one of them holds."""
    rows = np.flatnonzero(among)
    _, first = np.unique(values[rows], return_index=True)
    repeated = among.copy()
    repeated[rows[first]] = False
    return repeated


def _digests(flux: FloatArray) -> NDArray[np.uint64]:
    """Return 64 bits of each spectrum: of a million different ones two agree once in ten million times."""
    whole = np.ascontiguousarray(flux)
    return np.frombuffer(b"".join(hashlib.blake2b(row, digest_size=8).digest() for row in whole), np.uint64)
