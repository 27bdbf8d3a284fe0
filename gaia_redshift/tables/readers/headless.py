"""Names for the columns of a text table without a header line. Imports its neighbours."""

import re
from collections.abc import Sequence

from gaia_redshift.errors import Detail, InvalidTableError, counted
from gaia_redshift.spectra import DR3
from gaia_redshift.tables.readers.lines import Rows
from gaia_redshift.tables.text import MISSING, NUMBER

COMMA_NUMBER = re.compile(r"[-+]?\d+,\d*([eEdD][-+]?\d+)?")
"""A number with a comma for the point."""


def is_number(cell: str) -> bool:
    """Return whether a cell holds a number, with a point or a comma, or a word for a missing one."""
    text = cell.strip()
    return bool(NUMBER.match(text) or COMMA_NUMBER.fullmatch(text)) or text in MISSING


def made_up_names(row: Sequence[str], delimiter: bytes, rows: Rows, comments: Sequence[str]) -> list[str]:
    """Return names for columns without any: from a comment, as NumPy writes them, or by the number of columns."""
    count = len(row)
    if count > 3 and not row[0].strip() and not row[-1].strip():  # bars around each row
        return ["", *made_up_names(row[1:-1], delimiter, rows, comments), ""]
    if named := named_by_comment(count, comments):
        return named
    flux = {DR3.samples: [f"flux_{number}" for number in range(DR3.samples)]}
    flux[DR3.untruncated] = [
        f"{band.name.lower()}_{number}" for band in (DR3.bp, DR3.rp) for number in range(band.samples)
    ]
    for length, names in list(flux.items()):
        flux[length + 1] = ["source_id", *names]
    if count not in flux:
        raise InvalidTableError(
            f"the table has no header line and {counted(count, 'column', 'columns')}: without names they must be the "
            f"{DR3.samples} or {DR3.untruncated} fluxes of a spectrum, with or without source_id before them"
            f"{_why(row, delimiter, len(rows))}",
            [Detail("first row", ", ".join(row[:4])[:120] + (", ..." if count > 4 else ""))],
        )
    return flux[count]


def named_by_comment(count: int, comments: Sequence[str]) -> list[str]:
    """Return the names of so many columns from a comment; empty if no comment has them."""
    for comment in reversed(comments):
        for mark in (",", ";", "\t", None):
            names = [name.strip() for name in comment.split(mark)]
            if len(names) == count and count > 1 and not any(map(is_number, names)):
                return names
    return []


def _why(row: Sequence[str], delimiter: bytes, rows: int) -> str:
    """Return the likeliest reason for the number of columns, as further sentences."""
    count = len(row)
    if delimiter == b"," and any(count in (2 * length, 2 * length + 1) for length in DR3.lengths["flux"]):
        return ". They are twice as many: do its numbers have commas for the point? Save it with decimal points"
    if count < 5 and any(rows in (length, length + 1) for length in DR3.lengths["flux"]):
        return f". It has {rows} rows: is it transposed? Write a row for each source"
    if count in (343, 344):
        return (
            ". 343 are the wavelengths of XP_SAMPLED, in W m-2 nm-1, which is not read: download XP_CONTINUOUS with "
            "DATA_STRUCTURE=RAW of the same sources"
        )
    return ""
