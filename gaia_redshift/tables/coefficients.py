"""Finding the archive's coefficients in a table, and their release. Imports its neighbours."""

from collections.abc import Iterable, Mapping, Sequence

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import DR3, RELEASES
from gaia_redshift.spectra.releases import release_of_sizes
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.samples import is_array, is_number, is_text, lengths_of
from gaia_redshift.tables.table import Table


def find_coefficients(table: Table, names: Sequence[str]) -> Recognised | None:
    """Recognise the archive's coefficients.

    Parameters
    ----------
    table : Table
    names : sequence of str
        Of its columns, in lower case.

    Returns
    -------
    Recognised or None
        None where there are none.

    Raises
    ------
    InvalidTableError
        If a band is missing or duplicate, or no release has so many coefficients.
    """
    for columns in dict.fromkeys(release.coefficient_columns for release in RELEASES.values()):
        there = {band: name for band, name in zip(("bp", "rp"), columns, strict=True) if name in names}
        if there:
            break
    else:
        return None
    refuse_duplicates(names, there.values())
    missing = [name for name in columns if name not in there.values()]
    if missing:
        raise InvalidTableError(
            f"the table has {next(iter(there.values()))} but not {missing[0]}: both bands are needed",
            [Detail(missing[0], "missing")],
        )
    bands = {band: (names.index(name),) for band, name in there.items()}
    sizes = _sizes(table, bands)
    release = release_of_sizes(sizes)
    if release is None:
        known = ", ".join(f"{one.name} {one.coefficients[0]} + {one.coefficients[1]}" for one in RELEASES.values())
        raise InvalidTableError(
            f"the spectra have {sizes[0] or 'no'} BP and {sizes[1] or 'no'} RP coefficients; known are {known}",
            [Detail(name, f"{size or 'no'} coefficients") for name, size in zip(columns, sizes, strict=True)],
        )
    parts = {band: (f"{band}_coefficient_errors", f"{band}_coefficient_correlations") for band in bands}
    errors = {
        band: (names.index(error), names.index(correlation))
        for band, (error, correlation) in parts.items()
        if error in names and correlation in names
    }
    sentence = (
        f"{release.name} {release.retrieval_types[0]}, {release.coefficients[0]} BP and {release.coefficients[1]} RP "
        f"coefficients a row, from {columns[0]} and {columns[1]}"
    )
    named = {band: f"{band}_basis_function_id" for band in bands}
    basis_ids = {band: names.index(name) for band, name in named.items() if name in names}
    grid = release.grid or DR3
    return Recognised("coefficients", bands, release.name, grid, None, errors, (), sentence, basis_ids)


def _sizes(table: Table, bands: Mapping[str, tuple[int, ...]]) -> tuple[int | None, int | None]:
    """Return the numbers of coefficients of BP and RP in the first block that has both, None where there are none."""
    kinds = [table.schema.field(position).type for (position,) in bands.values()]
    if all(is_number(kind) and not pyarrow.types.is_null(kind) for kind in kinds):
        raise InvalidTableError(
            "the table has one coefficient per row: download the spectra with DATA_STRUCTURE=RAW, which gives one row "
            "per source",
            [Detail(table.schema.field(position).name, "one number a row") for (position,) in bands.values()],
        )
    found: list[int | None] = [None, None]
    positions = [position for (position,) in bands.values()]
    for block in table.blocks(positions, positions):
        for index, column in enumerate(block.columns.columns):
            if not (is_array(column.type) or is_text(column.type) or pyarrow.types.is_null(column.type)):
                raise InvalidTableError(
                    f"column {block.columns.schema.names[index]} has the type {str(column.type)[:40]}",
                    [Detail(block.columns.schema.names[index], "needs arrays of numbers")],
                )
            lengths = [length for length in lengths_of(column) if length > 0]
            known = {release.coefficients[index] for release in RELEASES.values()}
            # The first row may be damaged: prefer a length that a release has.
            best = next((length for length in lengths if length in known), lengths[0] if lengths else None)
            found[index] = found[index] or best
        if all(found):
            break
    return found[0], found[1]


def refuse_duplicates(names: Sequence[str], wanted: Iterable[str]) -> None:
    """Raise InvalidTableError if a wanted column is duplicate."""
    for name in wanted:
        if names.count(name) > 1:
            raise InvalidTableError(f"duplicate column {name}", [Detail(name, "duplicate")])
