"""The options of a prediction, and its result in columns. Imports `prior`, and `spectra` of the project."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.prior import WantedPrior
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.spectra import Problem

DECIMALS = 6
"""Redshifts and densities are rounded to 1e-6 (a thousandth of the best scatter in redshift), so that every format
gives the same number."""

COLUMNS = ("redshift", "redshift_lower", "redshift_upper", "redshift_lower95", "redshift_upper95")
"""The columns of `Redshifts.values`."""


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """What to predict besides the redshift: the prior, and whether to return densities."""

    prior: WantedPrior = "survey"
    pdf: bool = False


@dataclass(frozen=True, slots=True)
class Redshifts:
    """Answers for n spectra. A row that could not be predicted has NaN and no flags."""

    values: NDArray[np.float64]
    """Shape (n, 5), in the order of `COLUMNS`."""
    flags: NDArray[np.int32]
    """Shape (n,); bit i is flag i of `interpretation.quality.FLAGS`; `flag_names` returns the names."""
    pdf: NDArray[np.float64] | None = None
    """Probability density per redshift bin, shape (n, bins), if requested."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def redshift(self) -> NDArray[np.float64]:
        """Point estimates, shape (n,)."""
        return self.values[:, 0]

    @property
    def redshift_lower(self) -> NDArray[np.float64]:
        """Lower ends of the 68% intervals, shape (n,)."""
        return self.values[:, 1]

    @property
    def redshift_upper(self) -> NDArray[np.float64]:
        """Upper ends of the 68% intervals, shape (n,)."""
        return self.values[:, 2]

    @property
    def redshift_lower95(self) -> NDArray[np.float64]:
        """Lower ends of the 95% intervals, shape (n,)."""
        return self.values[:, 3]

    @property
    def redshift_upper95(self) -> NDArray[np.float64]:
        """Upper ends of the 95% intervals, shape (n,)."""
        return self.values[:, 4]

    def raised(self, flag: QualityFlag) -> NDArray[np.bool_]:
        """Return a mask of the rows that have a flag, shape (n,)."""
        return np.asarray(self.flags >> FLAGS.index(flag) & 1, np.bool_)

    def part(self, start: int, stop: int, *, pdf: bool = True) -> "Redshifts":
        """Return the rows from `start` to `stop`, with or without their densities."""
        density = self.pdf[start:stop] if pdf and self.pdf is not None else None
        return Redshifts(self.values[start:stop], self.flags[start:stop], density)

    def without(self, rows: NDArray[np.bool_]) -> "Redshifts":
        """Return a copy with NaN and no flags where `rows`, shape (n,), is true."""
        values = np.where(rows[:, None], np.nan, self.values)
        pdf = None if self.pdf is None else np.where(rows[:, None], np.nan, self.pdf)
        return Redshifts(values, np.where(rows, np.int32(0), self.flags), pdf)

    def spread(self, rows: NDArray[np.bool_]) -> "Redshifts":
        """Return m rows: these answers, in order, where `rows`, shape (m,), is true; NaN and no flags elsewhere."""
        values, flags = np.full((len(rows), len(COLUMNS)), np.nan), np.zeros(len(rows), np.int32)
        values[rows], flags[rows] = self.values, self.flags
        if self.pdf is None:
            return Redshifts(values, flags)
        pdf = np.full((len(rows), self.pdf.shape[1]), np.nan)
        pdf[rows] = self.pdf
        return Redshifts(values, flags, pdf)

    @staticmethod
    def join(parts: Sequence["Redshifts"]) -> "Redshifts":
        """Concatenate the rows of one or more parts."""
        if len(parts) == 1:
            return parts[0]
        densities = [part.pdf for part in parts if part.pdf is not None]
        return Redshifts(
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.flags for part in parts]),
            np.concatenate(densities) if densities else None,
        )


@dataclass(frozen=True, slots=True)
class Predictions:
    """The result of a prediction: one row per input row, in input order."""

    redshifts: Redshifts
    source_id: Sequence[str | None] | None
    problems: dict[int, Problem]
    corrected: bool = False
    """Whether spectra with an E(B-V) were corrected for extinction."""

    def __len__(self) -> int:
        return len(self.redshifts)
