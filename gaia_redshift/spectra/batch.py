"""Spectra in memory. Imports numpy alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.spectra.checks import Problem, describe, validate
from gaia_redshift.spectra.extinction import ebv_problem, wrong_ebv
from gaia_redshift.spectra.grid import DR3, FloatArray, Grid
from gaia_redshift.spectra.units import Unit, per_sample


@dataclass(frozen=True, slots=True)
class SpectrumBatch:
    """Spectra in input order; a row that cannot be used stays in place, with the reason in `problems`.

    Attributes
    ----------
    flux : ndarray of float32, shape (n, samples of the grid)
        e-/s per sample; rows in `problems` have arbitrary values.
    source_id : sequence, optional
        One identifier per row in the type of the input, None for a missing one.
    problems : mapping
        Row number, from zero, to the reason why the row cannot be predicted.
    grid : Grid
        Where the spectra are sampled.
    carried : pyarrow.RecordBatch, optional
        The input's other columns.
    ebv : ndarray, shape (n,), optional
        E(B-V) of the Milky Way's dust, which the flux is not yet corrected for, mag; NaN where none was given. A wrong
        one stays, and its row is in `problems`; infinite is what was not a number.
    """

    flux: FloatArray
    source_id: Sequence[Any] | None = None
    problems: Mapping[int, Problem] = field(default_factory=dict)
    grid: Grid = DR3
    carried: Any = None
    ebv: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.flux)

    @staticmethod
    def join(batches: Sequence["SpectrumBatch"]) -> "SpectrumBatch":
        """Concatenate one or more batches on the same grid; carried columns are dropped.

        Parameters
        ----------
        batches : sequence of SpectrumBatch
        """
        if len(batches) == 1:
            return batches[0]
        problems: dict[int, Problem] = {}
        first = 0
        for batch in batches:
            problems |= {first + row: problem for row, problem in batch.problems.items()}
            first += len(batch)
        named = batches[0].source_id is not None
        source_id = [name for batch in batches for name in batch.source_id or ()] if named else None
        flux = np.concatenate([batch.flux for batch in batches])
        ebv = None
        if any(batch.ebv is not None for batch in batches):
            ebv = np.concatenate([np.full(len(one), np.nan) if one.ebv is None else one.ebv for one in batches])
        return SpectrumBatch(flux, source_id, problems, batches[0].grid, None, ebv)

    def part(self, start: int, stop: int) -> "SpectrumBatch":
        """Return consecutive rows.

        Parameters
        ----------
        start, stop : int
            The first row, and the one behind the last.
        """
        return replace(
            self,
            flux=self.flux[start:stop],
            source_id=None if self.source_id is None else self.source_id[start:stop],
            problems={row - start: problem for row, problem in self.problems.items() if start <= row < stop},
            carried=None if self.carried is None else self.carried.slice(start, stop - start),
            ebv=None if self.ebv is None else self.ebv[start:stop],
        )

    def behind(self, ebv: NDArray[np.float64]) -> "SpectrumBatch":
        """Return the batch with the E(B-V) of its rows; a row whose value is wrong gets a problem.

        Parameters
        ----------
        ebv : ndarray, shape (n,)
            In mag; NaN where it is not known.
        """
        wrong = np.flatnonzero(wrong_ebv(ebv))
        found = {int(row): ebv_problem(ebv[row]) for row in wrong}
        return replace(self, ebv=ebv, problems={**found, **self.problems} if len(wrong) else self.problems)

    def in_samples(self, unit: Unit | None) -> "SpectrumBatch":
        """Return the batch converted to e-/s per sample.

        Parameters
        ----------
        unit : {"per_sample", "per_pixel"}, optional
            Unit of the fluxes; None is per sample.
        """
        return self if unit in {None, "per_sample"} else replace(self, flux=per_sample(self.flux, unit, self.grid))

    def checked(self) -> "SpectrumBatch":
        """Return the batch with the problems that `validate` finds added."""
        reasons = np.where(self.usable(), validate(self.flux, self.grid), 0)
        if not reasons.any():
            return self
        found = {int(row): describe(self.flux[row], int(reasons[row])) for row in np.flatnonzero(reasons)}
        return replace(self, problems={**found, **self.problems})

    def usable_flux(self) -> FloatArray:
        """Return the fluxes with NaN in the rows that have a problem, shape (n, samples)."""
        if not self.problems:
            return self.flux
        flux = self.flux.copy()
        flux[list(self.problems)] = np.nan
        return flux

    def usable(self) -> NDArray[np.bool_]:
        """Return a mask of the rows that can be predicted, shape (n,)."""
        mask = np.ones(len(self), dtype=np.bool_)
        mask[list(self.problems)] = False
        return mask
