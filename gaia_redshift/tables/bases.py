"""Checking that coefficients belong to the bases that this version has. Imports its neighbours.

The archive names the basis of each row. Coefficients of another basis would give wrong spectra without any sign of it.
"""

from collections.abc import Sequence

import numpy as np

from gaia_redshift.spectra import RELEASES, Problem
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.samples import from_columns
from gaia_redshift.tables.table import Block

_BANDS = ("bp", "rp")


def with_basis_ids(found: Recognised, columns: Sequence[int]) -> list[int]:
    """Return the columns to read, followed by those that name the bases if they are not among them."""
    return [*columns, *(place for place in found.basis_ids.values() if place not in columns)]


def unknown_bases(found: Recognised, columns: Sequence[int], block: Block) -> dict[int, Problem]:
    """Return the problems of rows whose coefficients belong to another basis than their release's.

    Parameters
    ----------
    found : Recognised
    columns : sequence of int
        Columns of the block, from `with_basis_ids`.
    block : Block
    """
    known = RELEASES[found.release].basis_ids if found.basis_ids else None
    if known is None:
        return {}
    problems: dict[int, Problem] = {}
    for band, place in found.basis_ids.items():
        index = list(columns).index(place)
        name, wanted = block.columns.schema.names[index], known[_BANDS.index(band)]
        (values,) = from_columns([name], [block.columns.column(index)]).values.T
        for row in np.flatnonzero(np.isfinite(values) & (values != wanted)).tolist():
            message = (
                f"{name} is {values[row]:g}, {found.release}'s is {wanted}: its bases are not part of this version"
            )
            problems.setdefault(row, Problem("unknown_basis", message))
    return problems
