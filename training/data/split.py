"""Training, validation and test part of a data set. Imports `dataset`, `parts`, and `bundle` of the project.

Spectra simulated from one parent galaxy resemble each other, so where parents are known, those of one parent stay in
one part; otherwise the test would be too easy.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import TrainingRecord
from gaia_redshift.errors import InvalidInputError
from training.data.dataset import Dataset
from training.data.parts import IN_WORDS, PARTS, PERCENT

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of each part, ascending; every row is in one part."""

    train: Rows
    validation: Rows
    test: Rows
    how: str

    def counts(self) -> dict[str, int]:
        """Return the number of spectra in each part."""
        return {part: len(self.rows(part)) for part in PARTS}

    def rows(self, part: str) -> Rows:
        """Return the row numbers of one of `PARTS`."""
        found: Rows = getattr(self, part)
        return found


def split(dataset: Dataset, seed: int) -> Split:
    """Split as the file says; else at random by the seed, by parent galaxy where it is known, or by row.

    Raises InvalidInputError if a part is empty or unknown, or a parent galaxy has spectra in two parts.
    """
    if dataset.part is not None:
        found = _as_the_file_says(dataset, dataset.part)
    elif dataset.parent is not None:
        found = _by_group(dataset.parent, seed, f"by parent galaxy, {IN_WORDS}")
    else:
        found = _by_group(np.arange(len(dataset)), seed, f"by row, {IN_WORDS}")
    if empty := [part for part, count in found.counts().items() if not count]:
        raise InvalidInputError(f"{dataset.name}: the {empty[0]} part is empty")
    return found


@dataclass(frozen=True, slots=True)
class ChosenRows:
    """The rows of one part."""

    part: str
    rows: Rows
    how: str
    """In words, as in "the 2,000 spectra of the test part"."""
    warning: str | None = None
    """What makes numbers measured on these rows too good."""


def choose_rows(dataset: Dataset, trained: TrainingRecord, part: str | None) -> ChosenRows:
    """Choose what a model is evaluated on: one of `PARTS`, "all", or by default the test part where one is known.

    On the file that the model was trained on, its own split counts. Raises InvalidInputError if the part is not known,
    or has no row.
    """
    known, how = _known_parts(dataset, trained)
    part = part or ("test" if known else "all")
    if part != "all" and known is None:
        raise InvalidInputError(
            f"{dataset.name} has no column part, and the model was not trained on it: use --part all"
        )
    rows = np.arange(len(dataset)) if known is None or part == "all" else known[part]
    if not len(rows):
        raise InvalidInputError(f"{dataset.name}: the {part} part is empty")
    words = f"all {len(rows):,} spectra" if part == "all" else f"the {len(rows):,} spectra of the {part} part ({how})"
    seen = part != "test" and dataset.sha256 == trained.dataset_sha256
    warning = "The model has learnt from some of these spectra: its numbers are too good here." if seen else None
    return ChosenRows(part, rows, words, warning)


def _known_parts(dataset: Dataset, trained: TrainingRecord) -> tuple[dict[str, Rows] | None, str]:
    if dataset.part is not None:
        return {name: np.flatnonzero(dataset.part == name) for name in PARTS}, "as the file says"
    if dataset.sha256 == trained.dataset_sha256:
        parts = split(dataset, trained.seed)
        # If other rows were left out then, the same seed gives another split.
        if parts.counts() == trained.spectra:
            return {name: parts.rows(name) for name in PARTS}, "as in the model's training"
    return None, ""


def _as_the_file_says(dataset: Dataset, part: NDArray[np.str_]) -> Split:
    if unknown := sorted(set(np.unique(part)) - set(PARTS)):
        raise InvalidInputError(f"{dataset.name}: part {str(unknown[0])!r} is none of {', '.join(PARTS)}")
    train, validation, test = (np.flatnonzero(part == name) for name in PARTS)
    if dataset.parent is None:
        return Split(train, validation, test, "as the file says")
    parents = [np.unique(dataset.parent[rows]) for rows in (train, validation, test)]
    members, times = np.unique(np.concatenate(parents), return_counts=True)
    if len(shared := members[times > 1]):
        raise InvalidInputError(
            f"{dataset.name}: {len(shared)} parent galaxies have spectra in more than one part, the first {shared[0]}"
        )
    return Split(train, validation, test, "as the file says, no parent galaxy in two parts")


def _by_group(group: NDArray[np.int64], seed: int, how: str) -> Split:
    """Assign whole groups, in random order, to the parts until each has its share of the rows."""
    members, index, sizes = np.unique(group, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(members))
    until_validation = PERCENT["test"] + PERCENT["validation"]
    before = np.cumsum(sizes[order]) - sizes[order]
    part_of_group = np.empty(len(members), dtype=np.intp)
    limits = [PERCENT["test"] * len(group) / 100, until_validation * len(group) / 100]
    part_of_group[order] = np.digitize(before, limits)
    test, validation, train = (np.flatnonzero(part_of_group[index] == part) for part in range(3))
    return Split(train, validation, test, how)
