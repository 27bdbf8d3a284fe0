"""The data of one training: a survey and, for a density, galaxies of all redshifts and other sources.

The survey gives the distribution of redshifts, and its held-out parts the intervals and the tests. The balance set adds
galaxies of rare redshifts, the others are not galaxies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import GRIDS, FloatArray, Grid
from training.data.columns import read_table
from training.data.dataset import Dataset, file_sha256
from training.data.kinds import KINDS
from training.data.parts import PARTS
from training.data.split import Split

GREY_REDSHIFT = 0.7
"""Quasars nearer than this are left out of training: their hosts are visible, and they cannot be distinguished from
galaxies with a bright nucleus."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Spectra with what is to be learnt of them; arrays of n rows."""

    flux: FloatArray
    """Shape (n, 186), e-/s per sample."""
    redshift: FloatArray
    """NaN if the source is not a galaxy."""
    kind: NDArray[np.int8]
    """Index into `KINDS`."""

    def __len__(self) -> int:
        return len(self.redshift)

    def rows(self, rows: NDArray[np.intp]) -> "Sample":
        """Return some of the rows, in that order."""
        return Sample(self.flux[rows], self.redshift[rows], self.kind[rows])

    def of_kind(self, name: str) -> "Sample":
        """Return the sources of one of `KINDS`."""
        kept = self.kind == KINDS.index(name)
        return self if kept.all() else self.rows(np.flatnonzero(kept))


@dataclass(frozen=True, slots=True)
class Galaxies:
    """A data set of galaxies and its split."""

    dataset: Dataset
    parts: Split

    def flux(self, part: str) -> FloatArray:
        """Return the spectra of one of `PARTS`, shape (n, 186)."""
        return self.dataset.flux[self.parts.rows(part)]

    def redshift(self, part: str) -> FloatArray:
        """Return the redshifts of one of `PARTS`, shape (n,)."""
        return self.dataset.redshift[self.parts.rows(part)]

    def sample(self, part: str) -> Sample:
        """Return one of `PARTS`."""
        return Sample(self.flux(part), self.redshift(part), np.zeros(len(self.parts.rows(part)), np.int8))


@dataclass(frozen=True, slots=True)
class Material:
    """All that goes into one training."""

    survey: Galaxies
    balance: Galaxies | None
    others: Mapping[str, Sample]
    """Sources that are not galaxies, by part; empty where a recipe needs none."""
    name: str
    sha256: str
    """SHA-256 of all files together."""

    def __len__(self) -> int:
        return sum(len(each.dataset) for each in self.galaxies) + sum(map(len, self.others.values()))

    @property
    def galaxies(self) -> tuple[Galaxies, ...]:
        """The survey and, where there is one, the balance set."""
        return (self.survey,) if self.balance is None else (self.survey, self.balance)

    def counts(self) -> dict[str, int]:
        """Return the number of galaxies in each part."""
        return {part: sum(each.parts.counts()[part] for each in self.galaxies) for part in PARTS}

    def sample(self, part: str, most: int | None = None) -> Sample:
        """Return one part of all sets, or about `most` of its rows, evenly taken."""
        pieces = [*(each.sample(part) for each in self.galaxies), *([self.others[part]] if part in self.others else [])]
        columns = zip(*((each.flux, each.redshift, each.kind) for each in pieces), strict=True)
        whole = pieces[0] if len(pieces) == 1 else Sample(*map(np.concatenate, columns))
        return whole if most is None else whole.rows(np.arange(0, len(whole), max(1, len(whole) // most)))

    def redshift(self, part: str) -> FloatArray:
        """Return the redshifts of all galaxies of a part."""
        return np.concatenate([each.redshift(part) for each in self.galaxies])

    def some_flux(self, most: int, seed: int) -> FloatArray:
        """Return the spectra of at most so many galaxies of the training part, drawn at random, shape (n, 186)."""
        sizes = [len(each.parts.train) for each in self.galaxies]
        drawn = np.random.default_rng(seed).permutation(sum(sizes))[:most]
        pieces, first = [], 0
        for each, size in zip(self.galaxies, sizes, strict=True):
            here = drawn[(first <= drawn) & (drawn < first + size)] - first
            pieces.append(each.dataset.flux[each.parts.train[here]])
            first += size
        return np.concatenate(pieces)


def gather(survey: Galaxies, balance: Galaxies | None = None, others: Path | None = None) -> Material:
    """Put the data sets of a training together and check them.

    Parameters
    ----------
    survey : Galaxies
        Redshifts distributed as in the survey that the estimates are for.
    balance : Galaxies, optional
        Galaxies that make rare redshifts common, such as a uniform distribution.
    others : Path, optional
        Table of the simulator with stars, quasars, blank sky and blends.

    Raises
    ------
    InvalidInputError
        If a parent galaxy is in the training part of one set and in another part of the other, the sets are of
        different releases, or `others` cannot be used.
    """
    files = [(each.dataset.name, each.dataset.sha256) for each in (survey, balance) if each is not None]
    if balance is not None:
        _check_grid(survey.dataset.grid, balance.dataset.grid, balance.dataset.name)
        _check_parents(survey, balance)
    parts_of_others = {} if others is None else read_others(others, survey.dataset.grid)
    if others is not None:
        files.append((others.name, file_sha256(others)))
    names, digests = zip(*files, strict=True)
    # One file is named by its own digest, as `sha256sum` gives it.
    digest = digests[0] if len(digests) == 1 else sha256(" ".join(digests).encode()).hexdigest()
    return Material(survey, balance, parts_of_others, " + ".join(names), digest)


def read_others(path: Path, grid: Grid) -> dict[str, Sample]:
    """Read sources that are not galaxies from a simulator's table, by part; only the training and validation parts.

    Raises InvalidInputError if the file cannot be read, its spectra are on another grid, it lacks a column or a kind of
    source, or holds a galaxy, an unknown kind or part, or a flux that is not finite.
    """
    names = ("z", "part", "kind")
    flux, read, said = read_table(path, names)
    _check_grid(grid, GRIDS[said["grid_id"]], path.name)
    if lacking := [name for name in names if name not in read]:
        raise InvalidInputError(f"{path.name} cannot be read as the simulator's: it lacks the column {lacking[0]}")
    redshift, part, kind = (read[name] for name in names)
    for what, values, allowed in (("kind", kind, KINDS[1:]), ("part", part, PARTS)):
        if unknown := sorted(set(np.unique(values)) - set(allowed)):
            raise InvalidInputError(f"{path.name}: {what} {str(unknown[0])!r} is none of {', '.join(allowed)}")
    finite = np.isfinite(flux).all(axis=1)
    if not finite.all():
        raise InvalidInputError(f"{path.name}: row {np.argmin(finite)} has a flux that is not finite")
    if missing := [name for name in KINDS[1:] if name not in kind]:
        raise InvalidInputError(f"{path.name} has no {', '.join(missing)}: simulate all of {', '.join(KINDS[1:])}")
    numbers = np.array([KINDS.index(name) for name in kind], np.int8)
    sources = Sample(flux, np.full(len(flux), np.nan, np.float32), numbers)
    known = ~((kind == "quasar") & (redshift < GREY_REDSHIFT))
    return {name: sources.rows(np.flatnonzero(known & (part == name))) for name in ("train", "validation")}


def _check_grid(survey: Grid, other: Grid, name: str) -> None:
    """Refuse spectra of another release than the survey's."""
    if other.name != survey.name:
        raise InvalidInputError(
            f"{name} is sampled on the grid {other.name}, the survey on {survey.name}: take one release"
        )


def _check_parents(survey: Galaxies, balance: Galaxies) -> None:
    """Refuse a parent galaxy that one set trains on and the other holds back."""
    for learnt, held in ((survey, balance), (balance, survey)):
        if learnt.dataset.parent is None or held.dataset.parent is None:
            return
        held_rows = np.concatenate([held.parts.validation, held.parts.test])
        shared = np.intersect1d(learnt.dataset.parent[learnt.parts.train], held.dataset.parent[held_rows])
        if len(shared):
            raise InvalidInputError(
                f"{len(shared)} parent galaxies are trained on in one file and tested on in the other, the first "
                f"{shared[0]}: split both files alike"
            )
