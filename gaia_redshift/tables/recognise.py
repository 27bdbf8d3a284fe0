"""Which columns of a table make its spectra, how, and of which release of Gaia. Imports its neighbours.

Columns are known by their names without regard to case, by the lengths of the arrays in them, and by their units. What
was recognised is said in a sentence, so that nothing is guessed in silence.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import DR3, GRIDS, RELEASES, Grid, Release
from gaia_redshift.spectra.releases import named_release, release_of_grid, release_of_sizes
from gaia_redshift.tables.calibrated import refuse_calibrated_arrays, refuse_calibrated_columns
from gaia_redshift.tables.columns import find_layout
from gaia_redshift.tables.identifiers import identifier_column, named_ids
from gaia_redshift.tables.samples import is_array, is_number, is_text, lengths_of
from gaia_redshift.tables.table import Table
from gaia_redshift.tables.unrecognised import incomplete, no_spectra

Kind = Literal["samples", "arrays", "coefficients"]

_HEADER_CHARACTERS = 500
_FLUXES = re.compile(r"(flux|bp|rp)(_\d{1,4}|)")
_BAND = "xp"
"""The column that names the band in GaiaXPy's tables."""


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
        The columns that are no part of the spectrum, in order; `source_id` among them.
    sentence : str
        What was recognised, in words.
    basis_ids : mapping
        Of coefficients: ``bp`` and ``rp`` to the columns that name their bases, where they are there.
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

    @property
    def header(self) -> str:
        """The sentence as a header of HTTP holds it."""
        text = self.sentence.encode("ascii", "replace").decode()[:_HEADER_CHARACTERS]
        return "".join(mark if mark.isprintable() else "?" for mark in text)

    @property
    def columns(self) -> tuple[int, ...]:
        """All columns of the spectra, in the order of the bands."""
        return tuple(position for positions in self.bands.values() for position in positions)


def recognise(table: Table, grid: Grid | None = None) -> Recognised:
    """Find the spectra of a table.

    Parameters
    ----------
    table : Table
    grid : Grid, optional
        Of the model that will read them: whose samples a table without any mark is taken for; DR3's by default.

    Raises
    ------
    InvalidTableError
        If there are none, they are calibrated ones, a column that matters is duplicate, or what the table says of its
        release contradicts its columns.
    """
    schema = table.schema
    names = [name.strip().lower() for name in schema.names]
    says = _named_by(table)
    found = _coefficients(table, names)
    if found is None:
        refuse_calibrated_columns(schema, names)
        found = None if _has_samples(names) else _arrays(table, names, grid or _grid(table, says))
    if found is None:
        wanted = grid or _grid(table, says)
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
    sentence = f"{table.format}: {found.sentence}{_not_read(schema, names, found)}{named_ids(schema.names, source_id)}"
    return replace(found, source_id=source_id, others=others, sentence=sentence)


def _not_read(schema: pyarrow.Schema, names: Sequence[str], found: Recognised) -> str:
    """Return the end of a sentence about other columns of fluxes than those that are read; empty where none are."""
    used = set(found.columns)
    others = [
        match[1] + (match[2] and "_..")
        for place, name in enumerate(names)
        if place not in used
        and (match := _FLUXES.fullmatch(name)) is not None
        and (match[2] or is_array(schema.field(place).type))
    ]
    named = [kind for kind in dict.fromkeys(others) if not kind.endswith("..") or others.count(kind) > 1]
    return f"; {' and '.join(named)} are there too, and not read" if named else ""


def _named_by(table: Table) -> Release | None:
    """Return the release that the table names; None if it names none, or several."""
    texts = [f"{key} {text}" for key, text in table.said.items() if len(text) < 4096]
    named = {release.name: release for text in texts if (release := named_release([text])) is not None}
    return next(iter(named.values())) if len(named) == 1 else None


def _grid(table: Table, says: Release | None) -> Grid:
    """Return the grid that a table of samples says it is on."""
    said = table.said.get("grid_id")
    if said is not None and said not in GRIDS:
        raise InvalidTableError(
            f"the table is sampled on the grid {said[:40]!r}; this version knows {', '.join(GRIDS)}",
            [Detail("grid_id", "unknown")],
        )
    if said is not None:
        return GRIDS[said]
    return says.grid if says is not None and says.grid is not None else DR3


def _coefficients(table: Table, names: Sequence[str]) -> Recognised | None:
    """Recognise the archive's coefficients."""
    for columns in dict.fromkeys(release.coefficient_columns for release in RELEASES.values()):
        there = {band: name for band, name in zip(("bp", "rp"), columns, strict=True) if name in names}
        if there:
            break
    else:
        return None
    _refuse_duplicates(names, there.values())
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
            "the coefficients stand one below the other: download the spectra with DATA_STRUCTURE=RAW, which gives one "
            "row for each source",
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
            # A damaged row must not decide for all: a length that some release has comes first.
            best = next((length for length in lengths if length in known), lengths[0] if lengths else None)
            found[index] = found[index] or best
        if all(found):
            break
    return found[0], found[1]


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
        raise InvalidTableError("give either the column flux, or bp and rp", [Detail(found[0], "does not stand alone")])
    _refuse_duplicates(names, found)
    bands = {band: (names.index(band),) for band in found}
    refuse_calibrated_arrays(table, bands)
    _refuse_single_values(table, bands)
    lengths = " and ".join(f"{band} of {' or '.join(map(str, grid.lengths[band]))} samples" for band in found)
    sentence = f"{grid.release} samples in e-/s, from the array column{'s' * (len(found) > 1)} {lengths}"
    return Recognised("arrays", bands, _release(grid), grid, None, {}, (), sentence)


def _refuse_single_values(table: Table, bands: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse columns of text that turn out to hold a number in each row, by the first rows."""
    positions = [position for (position,) in bands.values()]
    first = next(iter(table.blocks(positions, positions)), None)
    for band, column in zip(bands, () if first is None else first.columns.columns, strict=False):
        if (found := lengths_of(column)) <= {0, 1} and 1 in found and is_number(column.type):
            raise _single_values(band)


def _single_values(band: str) -> InvalidTableError:
    return InvalidTableError(
        f"column {band} holds single values, not arrays: a table has a row for each source, and {band} an array of its "
        f"fluxes, or a column for each ({band}_0, {band}_1, ...)",
        [Detail(band, "needs arrays")],
    )


def _has_samples(names: Sequence[str]) -> bool:
    """Say whether there are columns for single samples: then one named `bp` is a magnitude rather than an array."""
    return sum(name.startswith(("flux_", "bp_", "rp_")) and name[3:].lstrip("x_").isdecimal() for name in names) > 1


def _samples(table: Table, grid: Grid) -> Recognised:
    """Recognise a column for each sample."""
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


def _refuse_duplicates(names: Sequence[str], wanted: Iterable[str]) -> None:
    for name in wanted:
        if names.count(name) > 1:
            raise InvalidTableError(f"duplicate column {name}", [Detail(name, "duplicate")])


def _spectrum_columns(names: Sequence[str], found: Recognised) -> set[int]:
    """Return the columns that are of the spectrum: the fluxes or coefficients, their errors and correlations."""
    if found.kind != "coefficients":
        return set(found.columns)
    parts = ("coefficients", "coefficient_errors", "coefficient_correlations", "coefficient_covariances")
    own = {f"{band}_{part}" for band in found.bands for part in parts}
    return {position for position, name in enumerate(names) if name in own} | set(found.columns)
