"""Finding a table's spectra: their columns, their kind and their Gaia release. Imports its neighbours.

Columns are recognised by their names, in any case, by the lengths of their arrays, and by their units. A sentence tells
the user what was recognised.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import DR3, GRIDS, Grid, Release
from gaia_redshift.spectra.releases import named_release, release_of_grid
from gaia_redshift.tables.calibrated import (
    refuse_calibrated_columns,
    refuse_calibrated_length,
    refuse_calibrated_unit,
)
from gaia_redshift.tables.coefficients import find_coefficients, refuse_duplicates
from gaia_redshift.tables.columns import find_layout
from gaia_redshift.tables.extinction import find_ebv, told
from gaia_redshift.tables.identifiers import identifier_column, named_ids
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.samples import is_array, is_number, is_text, lengths_of
from gaia_redshift.tables.table import UNIT, Table, about
from gaia_redshift.tables.unrecognised import incomplete, no_spectra

_FLUXES = re.compile(r"(flux|bp|rp)(_\d{1,4}|)")
_BAND = "xp"
"""The column that names the band in GaiaXPy's tables."""


def recognise(table: Table, grid: Grid | None = None) -> Recognised:
    """Find the spectra of a table.

    Parameters
    ----------
    table : Table
    grid : Grid, optional
        The model's, for a table that does not name its own; DR3's by default.

    Raises
    ------
    InvalidTableError
        If there are none, they are externally calibrated, one of their columns is duplicate, or the table names another
        release than its columns have.
    """
    schema = table.schema
    names = [name.strip().lower() for name in schema.names]
    says = _named_by(table)
    found = find_coefficients(table, names)
    if found is None:
        refuse_calibrated_columns(schema, names)
        found = None if _has_samples(names) else _arrays(table, names, _grid(table, says, grid or DR3))
    if found is None:
        wanted = _grid(table, says, grid or DR3)
        if not _has_samples(names) and sum(map(str.isdecimal, names)) != wanted.samples:
            raise no_spectra(table, wanted)
        found = _samples(table, wanted)
    if says is not None and says.name != found.release:
        raise InvalidTableError(
            f"the table says that it holds {says.name}, but its columns are of {found.release}: {found.sentence}",
            [Detail(says.name, "said"), Detail(found.release, "found")],
        )
    source_id = identifier_column(schema)
    spectrum = _spectrum_columns(names, found)
    others = tuple(position for position in range(len(names)) if position not in spectrum)
    ebv = find_ebv(schema)
    sentence = f"{table.format}: {found.sentence}{_not_read(schema, names, found)}{told(ebv)}"
    units = frozenset(filter(None, (about(schema.field(place), UNIT) for place in found.columns)))
    sentence += named_ids(schema.names, source_id)
    return replace(found, source_id=source_id, others=others, sentence=sentence, ebv=ebv, units=units)


def _not_read(schema: pyarrow.Schema, names: Sequence[str], found: Recognised) -> str:
    """Return the end of a sentence that names columns of fluxes that are not read; empty if there are none."""
    used = set(found.columns)
    others = [
        match[1] + (match[2] and "_..")
        for place, name in enumerate(names)
        if place not in used
        and (match := _FLUXES.fullmatch(name)) is not None
        and (match[2] or is_array(schema.field(place).type))
    ]
    named = [kind for kind in dict.fromkeys(others) if not kind.endswith("..") or others.count(kind) > 1]
    return f"; {' and '.join(named)} are not read" if named else ""


def _named_by(table: Table) -> Release | None:
    """Return the release that the table names; None if it names none, or several."""
    texts = [f"{key} {text}" for key, text in table.said.items() if len(text) < 4096]
    named = {release.name: release for text in texts if (release := named_release([text])) is not None}
    return next(iter(named.values())) if len(named) == 1 else None


def _grid(table: Table, says: Release | None, otherwise: Grid) -> Grid:
    """Return the grid that a table of samples names, or else the expected one."""
    said = table.said.get("grid_id")
    if said is not None and said not in GRIDS:
        raise InvalidTableError(
            f"the table is sampled on the grid {said[:40]!r}; this version knows {', '.join(GRIDS)}",
            [Detail("grid_id", "unknown")],
        )
    if said is not None:
        return GRIDS[said]
    return says.grid if says is not None and says.grid is not None else otherwise


def _arrays(table: Table, names: Sequence[str], grid: Grid) -> Recognised | None:
    """Recognise columns of arrays of samples: `flux`, or `bp` and `rp`."""
    schema = table.schema
    found = [
        band
        for band in ("flux", "bp", "rp")
        if band in names and (is_array(kind := schema.field(names.index(band)).type) or is_text(kind))
    ]
    if not found:
        if "flux" in names and is_number(schema.field(names.index("flux")).type):
            raise _single_values("flux")
        return None
    if found == ["flux"] and _BAND in names and is_text(schema.field(names.index(_BAND)).type):
        raise InvalidTableError(
            "this is what gaiaxpy.convert writes, a row for each band (column xp), both at the same positions, where "
            f"BP and RP of {grid.name} have their own: give the archive's XP_CONTINUOUS file itself, whose "
            "coefficients are read; or one row a source, arrays bp and rp at the positions of docs/explanation/grid.md",
            [Detail(_BAND, "a row for each band")],
        )
    if found not in (["flux"], ["bp", "rp"]):
        raise InvalidTableError(
            "give either the column flux, or bp and rp", [Detail(found[0], f"found {', '.join(found)}")]
        )
    refuse_duplicates(names, found)
    bands = {band: (names.index(band),) for band in found}
    _refuse_by_content(table, bands)
    lengths = " and ".join(f"{band} of {' or '.join(map(str, grid.lengths[band]))} samples" for band in found)
    sentence = f"{grid.release} samples in e-/s, from the array column{'s' * (len(found) > 1)} {lengths}"
    return Recognised("arrays", bands, _release(grid), grid, None, {}, (), sentence)


def _refuse_by_content(table: Table, bands: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse calibrated spectra, and columns of text that hold a number in each row, by their unit and first rows."""
    positions = [position for (position,) in bands.values()]
    refuse_calibrated_unit(table.schema, positions)
    first = next(iter(table.blocks(positions, positions)), None)
    for band, column in zip(bands, () if first is None else first.columns.columns, strict=False):
        found = lengths_of(column)
        refuse_calibrated_length(found)
        if found <= {0, 1} and 1 in found and is_number(column.type):
            raise _single_values(band)


def _single_values(band: str) -> InvalidTableError:
    return InvalidTableError(
        f"column {band} holds single values, not arrays: a table has a row for each source, and {band} an array of its "
        f"fluxes, or a column for each ({band}_0, {band}_1, ...)",
        [Detail(band, "needs arrays")],
    )


def _has_samples(names: Sequence[str]) -> bool:
    """Return whether there are columns for single samples: then a column `bp` is a magnitude, not an array."""
    return sum(name.startswith(("flux_", "bp_", "rp_")) and name[3:].lstrip("x_").isdecimal() for name in names) > 1


def _samples(table: Table, grid: Grid) -> Recognised:
    """Recognise spectra with one column per sample."""
    schema = table.schema
    try:
        layout = find_layout(schema.names, grid)
    except InvalidTableError as error:
        raise incomplete(table, grid, error) from None
    bands = {"flux": layout.flux} if layout.flux else {"bp": layout.bp, "rp": layout.rp}
    for position in layout.samples:
        kind = schema.field(position).type
        if not (is_number(kind) or is_text(kind)):
            raise InvalidTableError(
                f"column {schema.names[position][:40]} has the type {str(kind)[:40]}",
                [Detail(schema.names[position][:80], "needs numbers")],
            )
    names = [name.strip() for name in schema.names]
    which = " and ".join(f"{names[own[0]]} to {names[own[-1]]}" for own in bands.values())
    sentence = f"{grid.release} samples in e-/s, from the columns {which}"
    return Recognised("samples", bands, _release(grid), grid, None, {}, (), sentence)


def _release(grid: Grid) -> str:
    release = release_of_grid(grid)
    return grid.release if release is None else release.name


def _spectrum_columns(names: Sequence[str], found: Recognised) -> set[int]:
    """Return the columns of the spectrum: the fluxes or coefficients, their errors and correlations."""
    if found.kind != "coefficients":
        return set(found.columns)
    parts = ("coefficients", "coefficient_errors", "coefficient_correlations", "coefficient_covariances")
    own = {f"{band}_{part}" for band in found.bands for part in parts}
    return {position for position, name in enumerate(names) if name in own} | set(found.columns)
