"""What a density network learns from: a survey, galaxies even in redshift, and what is no galaxy.

Imports `dataset` and `split` of the project. Rare redshifts are learnt from the second set and kinds of sources from
the third; the first says how common each redshift is, and what the intervals and the tests promise.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import DR3, FloatArray
from training.dataset import Dataset, file_sha256
from training.split import PARTS, Split

GALAXY = "galaxy"
KINDS = (GALAXY, "star", "quasar", "sky", "blend")
"""What the network tells apart."""

GREY_REDSHIFT = 0.7
"""Quasars nearer than this are left out of training: below it a quasar's host shows, and nobody can say where a galaxy
with a nucleus ends. They are neither taught as galaxies nor as quasars."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Spectra with what is to be learnt of them; arrays of n rows."""

    flux: FloatArray
    """Shape (n, 186), e-/s per sample."""
    redshift: FloatArray
    """NaN where the source is no galaxy."""
    kind: NDArray[np.int8]
    """Index into `KINDS`."""

    def __len__(self) -> int:
        return len(self.redshift)

    @property
    def galaxies(self) -> "Sample":
        """Only what is a galaxy."""
        return self.rows(np.flatnonzero(self.kind == 0))

    def rows(self, rows: NDArray[np.intp]) -> "Sample":
        """Return some of the rows, in that order."""
        return Sample(self.flux[rows], self.redshift[rows], self.kind[rows])


@dataclass(frozen=True, slots=True)
class Material:
    """All that goes into one training."""

    survey: Dataset
    parts: Split
    """Of the survey."""
    balance: Dataset
    balance_parts: Split
    others: Sample
    """Training part of what is no galaxy."""
    others_validation: Sample
    name: str
    """Of the files, for the card."""
    sha256: str
    """Of all files together."""

    def __len__(self) -> int:
        return len(self.survey) + len(self.balance) + len(self.others) + len(self.others_validation)

    def train(self) -> Sample:
        """Return the training parts of all three."""
        return _join(
            _galaxies(self.survey, self.parts.train), _galaxies(self.balance, self.balance_parts.train), self.others
        )

    def trained_redshift(self) -> FloatArray:
        """Return the redshifts of all galaxies trained on."""
        return np.concatenate([self.survey.redshift[self.parts.train], self.balance.redshift[self.balance_parts.train]])

    def trained_flux(self, most: int, seed: int) -> FloatArray:
        """Return the spectra of at most so many galaxies trained on, drawn at random, shape (n, 186)."""
        first, second = self.parts.train, self.balance_parts.train
        rows = np.random.default_rng(seed).permutation(len(first) + len(second))[:most]
        ours = rows < len(first)
        return np.concatenate(
            [self.survey.flux[first[rows[ours]]], self.balance.flux[second[rows[~ours] - len(first)]]]
        )

    def validation(self, most: int) -> Sample:
        """Return about `most` rows of the validation parts, in the proportions of training."""
        whole = _join(
            _galaxies(self.survey, self.parts.validation),
            _galaxies(self.balance, self.balance_parts.validation),
            self.others_validation,
        )
        return whole.rows(np.arange(0, len(whole), max(1, len(whole) // most)))


def gather(survey: Dataset, parts: Split, balance: Dataset, balance_parts: Split, others: Path) -> Material:
    """Bring the three sets of a training together.

    Parameters
    ----------
    survey : Dataset
        Redshifts distributed as in the survey that the estimates are for.
    parts : Split
    balance : Dataset
        Galaxies that make rare redshifts common, such as a uniform distribution.
    balance_parts : Split
    others : Path
        Parquet of the simulator with stars, quasars, blank sky and blends.

    Raises
    ------
    InvalidInputError
        If a parent galaxy is in the training part of one set and in another part of the other, or `others` cannot be
        used.
    """
    _check_parents(survey, parts, balance, balance_parts)
    flux, redshift, part, kind = read_others(others)
    known = ~((kind == KINDS.index("quasar")) & (redshift < GREY_REDSHIFT))
    none = np.full(len(flux), np.nan, np.float32)
    train, validation = (
        Sample(flux, none, kind).rows(np.flatnonzero(known & (part == name))) for name in ("train", "validation")
    )
    digests = [survey.sha256, balance.sha256, file_sha256(others)]
    return Material(
        survey=survey,
        parts=parts,
        balance=balance,
        balance_parts=balance_parts,
        others=train,
        others_validation=validation,
        name=" + ".join((survey.name, balance.name, others.name)),
        sha256=sha256(" ".join(digests).encode()).hexdigest(),
    )


def read_others(path: Path) -> tuple[FloatArray, FloatArray, NDArray[np.str_], NDArray[np.int8]]:
    """Read sources that are no galaxies, from the simulator's Parquet.

    Returns
    -------
    flux : ndarray, shape (n, 186)
    redshift : ndarray, shape (n,)
        NaN for stars and sky.
    part : ndarray of str, shape (n,)
    kind : ndarray of int8, shape (n,)
        Index into `KINDS`.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, lacks a column, or holds a galaxy, an unknown kind or part, or a flux that is not
        finite.
    """
    try:
        table = pyarrow.parquet.read_table(path, columns=["z", "flux", "part", "kind"])
        flux = np.asarray(table["flux"].combine_chunks().flatten().to_numpy(), np.float32).reshape(-1, DR3.samples)
        redshift = np.asarray(table["z"].to_numpy(), np.float32)
        part, kind = (np.asarray(table[name].to_pylist(), np.str_) for name in ("part", "kind"))
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise InvalidInputError(f"{path.name} cannot be read as the simulator's Parquet: {error}") from error
    if len(flux) != len(redshift):
        raise InvalidInputError(f"{path.name}: every spectrum needs {DR3.samples} fluxes")
    for what, values, allowed in (("kind", kind, KINDS[1:]), ("part", part, PARTS)):
        unknown = sorted(set(np.unique(values)) - set(allowed))
        if unknown:
            raise InvalidInputError(f"{path.name}: {what} {str(unknown[0])!r} is none of {', '.join(allowed)}")
    if not np.isfinite(flux).all():
        row = int(np.flatnonzero(~np.isfinite(flux).all(axis=1))[0])
        raise InvalidInputError(f"{path.name}: row {row} has a flux that is not finite")
    missing = [name for name in KINDS[1:] if name not in kind]
    if missing:
        raise InvalidInputError(f"{path.name} has no {', '.join(missing)}: simulate all of {', '.join(KINDS[1:])}")
    return flux, redshift, part, np.array([KINDS.index(name) for name in kind], np.int8)


def _galaxies(dataset: Dataset, rows: NDArray[np.intp]) -> Sample:
    return Sample(dataset.flux[rows], dataset.redshift[rows], np.zeros(len(rows), np.int8))


def _join(*samples: Sample) -> Sample:
    return Sample(
        np.concatenate([each.flux for each in samples]),
        np.concatenate([each.redshift for each in samples]),
        np.concatenate([each.kind for each in samples]),
    )


def _check_parents(survey: Dataset, parts: Split, balance: Dataset, balance_parts: Split) -> None:
    if survey.parent is None or balance.parent is None:
        return
    for learnt, held in ((parts.train, balance_parts), (balance_parts.train, parts)):
        ours, theirs = (survey.parent, balance.parent) if held is balance_parts else (balance.parent, survey.parent)
        shared = np.intersect1d(ours[learnt], theirs[np.concatenate([held.validation, held.test])])
        if len(shared):
            raise InvalidInputError(
                f"{len(shared)} parent galaxies are trained on in one file and tested on in the other, the first "
                f"{shared[0]}: split both files alike"
            )
