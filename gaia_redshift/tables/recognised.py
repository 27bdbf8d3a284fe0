"""The spectra found in a table: their columns, release and grid. Imports `spectra` of the project."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gaia_redshift.spectra import Grid

Kind = Literal["samples", "arrays", "coefficients"]

_HEADER_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class Recognised:
    """Where a table keeps its spectra, by positions of columns.

    Attributes
    ----------
    kind : {"samples", "arrays", "coefficients"}
        A column for each sample, arrays of samples, or the archive's coefficients.
    bands : mapping
        ``flux``, or ``bp`` and ``rp``, to the columns: one for each sample, or one of arrays.
    release : str
        Of Gaia.
    grid : Grid
        Where the spectra are sampled.
    source_id : int, optional
    errors : mapping
        Of coefficients: ``bp`` and ``rp`` to the columns of their errors and correlations, where both are there.
    others : tuple of int
        The columns that are not part of the spectrum, in order; `source_id` among them.
    sentence : str
        What was recognised, in words.
    basis_ids : mapping
        Of coefficients: ``bp`` and ``rp`` to the columns that name their bases, where they are there.
    ebv : int, optional
        The column with the E(B-V) to correct for.
    units : frozenset of str
        What the columns of the spectra declare, as it is written.
    """

    kind: Kind
    bands: Mapping[str, tuple[int, ...]]
    release: str
    grid: Grid
    source_id: int | None
    errors: Mapping[str, tuple[int, int]]
    others: tuple[int, ...]
    sentence: str
    basis_ids: Mapping[str, int] = field(default_factory=dict)
    ebv: int | None = None
    units: frozenset[str] = frozenset()

    @property
    def header(self) -> str:
        """The sentence as the value of an HTTP header."""
        text = self.sentence.encode("ascii", "replace").decode()[:_HEADER_CHARACTERS]
        return "".join(mark if mark.isprintable() else "?" for mark in text)

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns of the spectra, in the order of the bands."""
        return tuple(position for positions in self.bands.values() for position in positions)
