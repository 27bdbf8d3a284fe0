"""Messages on tables without spectra: what was found in them, the likeliest cause, and what to do.

Imports `errors`, `spectra` and its neighbours. Each function in `_CAUSES` returns a sentence if its cause applies; the
first sentence is used.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow

from gaia_redshift.errors import Detail, InvalidTableError, counted
from gaia_redshift.spectra import DR3, RELEASES, Grid
from gaia_redshift.tables.calibrated import CALIBRATED_SAMPLES
from gaia_redshift.tables.columns import wanted_columns
from gaia_redshift.tables.identifiers import IDENTIFIERS, find_identifier
from gaia_redshift.tables.samples import is_array, is_text, lengths_of
from gaia_redshift.tables.table import Table

_FEW = 20
"""A spectrum has at least so many numbers."""
FIRST_COLUMNS, FIRST_ROWS = 8, 300
"""How much of a table is looked at."""
_FIRST_NAMES, _NAME_CHARACTERS = 4, 24
_MARKS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "blanks"}
_SAMPLE_NAME = re.compile(r"\s*(flux|bp|rp)[_ .\[]?\d+\]?\s*", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)[_ .\[]?(\d{1,4})\]?")
_ARRAY = re.compile(r"[\s()\[\]{}\d.,eE+-]{20,}|None")
_CATALOGUE = {
    "ra", "dec", "parallax", "pmra", "phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "bp_rp",
    "has_xp_continuous", "has_xp_sampled", "solution_id", "random_index", "ref_epoch", "classprob_dsc_combmod_galaxy",
    "redshift_ugc", "in_galaxy_candidates",
}  # fmt: skip
"""Columns of gaia_source and of the tables of galaxy candidates, which have no spectra."""

_ANSWER = {"redshift_lower", "redshift_upper"}
_DOWNLOAD = "download XP_CONTINUOUS with DATA_STRUCTURE=RAW of the same sources"


@dataclass(frozen=True, slots=True)
class Sight:
    """The first rows of a table, and its names."""

    form: str
    """Name of its format."""
    delimiter: str
    """The separator of cells of text; empty for other formats."""
    fields: Sequence[pyarrow.Field]
    columns: Sequence[pyarrow.Array]
    """The first rows of the first columns."""
    rows: int | None
    start: bytes
    """The first bytes of a table of text."""
    grid: Grid = DR3

    @property
    def names(self) -> list[str]:
        """Names of all columns."""
        return [field.name for field in self.fields]


def no_spectra(table: Table, grid: Grid) -> InvalidTableError:
    """Return the error of a table without spectra: what was found, the likeliest cause, and what to do."""
    sight = _sight(table, grid)
    return refusal(sight)


def incomplete(table: Table, grid: Grid, error: InvalidTableError) -> InvalidTableError:
    """Return the error of a table with some columns of fluxes: what is wrong with them, and what was found."""
    sight = _sight(table, grid)
    printout = _of_a_printout(sight)
    cause = f". {printout}" if printout else ""
    return InvalidTableError(f"{error.message}. Found: {described(sight)}{cause}", error.details)


def refusal(sight: Sight) -> InvalidTableError:
    """Return the error of what was seen."""
    cause = next(
        (text for find in _CAUSES if (text := find(sight))), "None of its columns is a known column of spectra"
    )
    needed = f"{wanted_columns(sight.grid)}; arrays flux, or bp and rp; or bp_coefficients and rp_coefficients"
    return InvalidTableError(f"no spectra were found: {described(sight)}. {cause}", [Detail("missing", needed)])


def described(sight: Sight) -> str:
    """Return what was found: format, separator, columns and the first names, rows."""
    parted = f" with {_MARKS.get(sight.delimiter, sight.delimiter)} between cells" if sight.delimiter else ""
    names = ["".join(c if c.isprintable() else "?" for c in name.strip()) or "(no name)" for name in sight.names]
    first = [f"{name[:_NAME_CHARACTERS]}..." if len(name) > _NAME_CHARACTERS else name for name in names]
    more = ", ..." if len(names) > _FIRST_NAMES else ""
    rows = "" if sight.rows is None else f", {counted(sight.rows, 'row', 'rows')}"
    columns = counted(len(names), "column", "columns")
    return f"{sight.form}{parted}, {columns} ({', '.join(first[:_FIRST_NAMES])}{more}){rows}"


def _sight(table: Table, grid: Grid) -> Sight:
    """Look at the first rows of a table, as far as they can be read."""
    head = getattr(table, "head", None)
    fields = list(table.schema)
    columns: list[pyarrow.Array] = []
    rows = table.rows
    try:
        blocks = table.blocks(range(min(len(fields), FIRST_COLUMNS)))
        first = next(blocks, None)
        columns = [] if first is None else list(first.columns.columns)
        if rows is None and next(blocks, None) is None:
            rows = 0 if first is None else len(first.columns)
    except Exception:  # any error: the table is refused anyway
        columns = columns or []
    delimiter = "" if head is None else head.delimiter.decode()
    return Sight(table.format, delimiter, fields, columns, rows, b"" if head is None else head.text, grid)


def _of_a_request(sight: Sight) -> str:
    if sight.form.startswith("jsonl") and {"spectra", "predictions"} & set(sight.names):
        return (
            "It is the JSON of POST /predict, one object for all spectra: send it there as application/json, or write "
            "JSON lines, an object for each spectrum"
        )
    return ""


def _of_an_answer(sight: Sight) -> str:
    if {name.strip().lower() for name in sight.names} >= _ANSWER:
        return "It is a table of predictions: give the table of spectra that they were made from"
    return ""


def _of_rows_above(sight: Sight) -> str:
    """Name a line further down that looks like the header."""
    if not sight.start:
        return ""
    lines = re.split(rb"\r\n|\n|\r", sight.start)[:200]
    for number, line in enumerate(lines[:-1]):
        known = [part for part in re.split(rb"[,;|\t ]+", line) if _is_sample(part)]
        if len(known) > 1 and not number:
            return ""
        if len(known) > 1 and not line.startswith(b"#"):
            text = lines[0][:30].decode("utf-8", "replace")
            return (
                f"Line {number + 1} looks like the header, and the lines above it, such as {text!r}, like comments: "
                "remove them, or start them with #"
            )
    return ""


def _is_sample(part: bytes) -> bool:
    return bool(_SAMPLE_NAME.fullmatch(part.decode("utf-8", "replace").strip('"')))


def _of_another_separator(sight: Sight) -> str:
    if not sight.delimiter or len(sight.names) > 2:
        return ""
    text = " ".join(sight.names)
    counts = {mark: text.count(mark) for mark in ":^~!/&@%$\x01\x1f\x1e\u00a6\u00b7\u2063" if text.count(mark) > 1}
    if not counts:
        return ""
    best = max(counts, key=lambda mark: counts[mark])
    return f"The cells seem to be separated by {best!r}: save it with commas, semicolons, tabs or bars between cells"


def _of_a_printout(sight: Sight) -> str:
    """Recognise a printout of a table, or a line of text."""
    if "..." in {name.strip() for name in sight.names}:
        return "It is a printout that leaves columns out (...): write the table itself, in pandas with to_csv"
    if sight.delimiter == " " and not sight.rows:
        line = re.split(rb"[\r\n]", sight.start.strip(), maxsplit=1)[0][:60].decode("utf-8", "replace")
        return f"It is a line of text, perhaps what a server said: {line!r}"
    return ""


def _of_transposing(sight: Sight) -> str:
    if not sight.columns:
        return ""
    first = sight.columns[0]
    cells = [str(cell)[:80] for cell in first.slice(0, FIRST_ROWS).to_pylist()]
    named = sum(bool(_SAMPLE_NAME.fullmatch(cell)) for cell in cells)
    many = {*sight.grid.lengths["flux"]}
    seen = (sight.rows or 0) + (sight.names != [] and bool(_SAMPLE_NAME.fullmatch(sight.names[0])))
    if named > 1:
        return (
            "The names of the fluxes are in a column: the table is transposed; write a row for each source "
            "(in pandas, table.set_index(table.columns[0]).T)"
        )
    if seen in many and len(sight.names) < min(many) and not any(is_array(field.type) for field in sight.fields):
        return (
            f"Its {seen} rows are as many as a spectrum has fluxes, so it seems to be transposed: write a row for each "
            "source, and a column for each flux (in pandas, table.T)"
        )
    return ""


def _of_arrays(sight: Sight) -> str:
    """Name a column of arrays that may be the spectra."""
    for field, column in zip(sight.fields, sight.columns, strict=False):
        if is_array(field.type) or is_text(field.type):
            few = column.slice(0, 10)
            found = max(lengths_of(few), default=0)
            if found > _FEW and (is_array(field.type) or all(map(_ARRAY.fullmatch, map(str, few.to_pylist())))):
                what = f"The column {field.name.strip()[:40]} holds arrays of {found} numbers"
                return by_length(what, found, sight.grid, "it flux", "them bp and rp")
    return ""


def _of_numbered_columns(sight: Sight) -> str:
    """Name columns whose names differ by their numbers."""
    families: dict[str, list[str]] = defaultdict(list)
    for name in sight.names:
        if (found := _NUMBERED.fullmatch(name.strip()[:80])) is not None:
            families[found[1].rstrip("_")].append(name.strip())
    own = max(families.values(), key=len, default=[])
    if len(own) <= _FEW:
        return ""
    what = f"It has {len(own)} numbered columns, {own[0][:20]} to {own[-1][:20]}"
    last = len(own) - 1
    return by_length(what, len(own), sight.grid, f"them flux_0 to flux_{last}", "them bp_0.. and rp_0..")


def by_length(what: str, count: int, grid: Grid, flux: str, bands: str) -> str:
    """Return a sentence on what so many numbers may be.

    Parameters
    ----------
    what : str
        Where they are, as the beginning of a sentence.
    count : int
    grid : Grid
    flux, bands : str
        What the columns should be called where they are fluxes of both bands, or of each.
    """
    lengths = grid.lengths
    if count == CALIBRATED_SAMPLES:
        return f"{what}, as XP_SAMPLED has, spectra in W m-2 nm-1, which are not read: {_DOWNLOAD}"
    sizes = {size for release in RELEASES.values() for size in (*release.coefficients, sum(release.coefficients))}
    if count in sizes:
        return (
            f"{what}, as many as the archive's spectra have coefficients, which are read as the arrays bp_coefficients "
            "and rp_coefficients of the archive's file"
        )
    if count == grid.samples:
        return f"{what}, as many as a spectrum has fluxes: name {flux} if they are the fluxes in e-/s"
    if count in {*lengths["flux"], *lengths["bp"], *lengths["rp"]}:
        return f"{what}, as many as bands have samples: name {bands} if they are the fluxes in e-/s"
    return f"{what}, but a spectrum has {' or '.join(map(str, lengths['flux']))} fluxes"


def _of_coefficients(sight: Sight) -> str:
    if any("coefficient" in name.lower() for name in sight.names):
        return (
            "It has some of the archive's columns, but not bp_coefficients and rp_coefficients: "
            f"{_DOWNLOAD}, and give the file as it is"
        )
    return ""


def _of_a_catalogue(sight: Sight) -> str:
    names = {name.strip().lower() for name in sight.names}
    if len(names & _CATALOGUE) > 1 or (names & {"has_xp_continuous", "phot_g_mean_mag", "solution_id"}):
        what = "It is a catalogue, such as gaia_source, which has no spectra"
    elif find_identifier(sight.names) is not None and names <= {*IDENTIFIERS, ""}:
        what = "It has identifiers alone"
    else:
        return ""
    return f"{what}: fetch them by source_id, `gaia-redshift fetch --ids TABLE -o spectra.fits`, or {_DOWNLOAD}"


_CAUSES: tuple[Callable[[Sight], str], ...] = (
    _of_a_request,
    _of_an_answer,
    _of_rows_above,
    _of_another_separator,
    _of_a_printout,
    _of_transposing,
    _of_arrays,
    _of_numbered_columns,
    _of_coefficients,
    _of_a_catalogue,
)
