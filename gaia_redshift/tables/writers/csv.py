"""Writing CSV. Imports its neighbours and `text`."""

import re
from collections.abc import Mapping
from typing import IO

import orjson
import pyarrow
import pyarrow.compute as pc

from gaia_redshift.interpretation.result import COLUMNS
from gaia_redshift.tables.samples import is_array
from gaia_redshift.tables.text import NUMBER
from gaia_redshift.tables.writers.plain import array_text, decimals, plain

_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""First characters of formulas; the last four are full-width forms that some spreadsheets accept too."""
_SUSPECT = f'(^|[;\\t\\r\\n])[\\s"]*[{_SIGNS}]|^[\\t\\r\\n]'
# A cell with a tab or a line end is quoted, which protects it in the first column alone: if the separator is not the
# comma, a later quote does not begin a cell.
_FORMULA = {
    first: re.compile(f'((?:^|[{parts}])[\\s"]*)([{_SIGNS}][^{parts}]*)')
    for first, parts in ((True, ";"), (False, ";\\t\\r\\n"))
}
_STARTS = tuple("\t\r\n")


class CsvWriter:
    """Writes rows to a CSV file, below a header.

    Text that a spreadsheet with a comma, a semicolon or a tab as separator would run as a formula gets an apostrophe in
    front; numbers are unchanged. The array column `pdf` becomes ``pdf_0`` and so on, any other array JSON text.

    Parameters
    ----------
    file : binary file
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._begun = False

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows."""
        self._file.write(csv_text(rows, header=not self._begun).encode())
        self._begun = True

    def close(self) -> None:
        """Do nothing: every row is written."""


def open_writer(file: IO[bytes], about: Mapping[str, str]) -> CsvWriter:  # noqa: ARG001
    """Return a writer; CSV has no place for `about`."""
    return CsvWriter(file)


def csv_text(rows: pyarrow.RecordBatch, *, header: bool) -> str:
    """Return rows as CSV text."""
    rows = plain(rows)
    names: list[str] = []
    cells: list[pyarrow.Array] = []
    for field, column in zip(rows.schema, rows.columns, strict=True):
        if field.name == "pdf" and pyarrow.types.is_fixed_size_list(field.type):
            names += [f"pdf_{number}" for number in range(field.type.list_size)]
            cells.append(_density(column))
        else:
            names.append(field.name)
            cells.append(_cells(field.name, column, first=not cells))
    lines = (
        [",".join(pc.fill_null(quoted(_inert(pyarrow.array(names), first=False)), "").to_pylist())] if header else []
    )
    if len(rows):
        filled = [pc.fill_null(column, "") for column in cells]
        lines += pc.binary_join_element_wise(*filled, ",").to_pylist()
    return "".join(f"{line}\n" for line in lines)


def _cells(name: str, column: pyarrow.Array, *, first: bool) -> pyarrow.Array:
    if pyarrow.types.is_string(column.type):
        return quoted(_inert(column, first=first))
    if is_array(column.type):
        return quoted(array_text(column))
    if name in COLUMNS and pyarrow.types.is_floating(column.type):
        return decimals(column)
    return pc.cast(column, pyarrow.string())


def quoted(column: pyarrow.Array) -> pyarrow.Array:
    """Put quotes around the cells that need them."""
    needed = pc.fill_null(pc.match_substring_regex(column, '[",;\t\r\n]'), fill_value=False)
    if not pc.any(needed).as_py():
        return column
    doubled = pc.replace_substring(column, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', doubled, '"', ""), column)


def _inert(column: pyarrow.Array, *, first: bool) -> pyarrow.Array:
    """Put an apostrophe before text that spreadsheets would run as a formula (OWASP, CSV injection)."""
    suspect = pc.match_substring_regex(column, _SUSPECT)
    suspect = pc.and_kleene(suspect, pc.invert(pc.match_substring_regex(column, NUMBER.pattern)))
    suspect = pc.fill_null(suspect, fill_value=False)
    if not pc.any(suspect).as_py():
        return column
    made = [_disarm(text, _FORMULA[first]) for text in column.filter(suspect).to_pylist()]
    return pc.replace_with_mask(column, suspect, pyarrow.array(made, pyarrow.string()))


def _disarm(text: str, formula: re.Pattern[str]) -> str:
    disarmed = formula.sub(lambda found: found[0] if NUMBER.match(found[2].strip()) else f"{found[1]}'{found[2]}", text)
    return f"'{disarmed}" if text.startswith(_STARTS) else disarmed


def _density(column: pyarrow.Array) -> pyarrow.Array:
    """Write each row's density as cells with commas between, by a JSON encoder, which is fast."""
    size = column.type.list_size
    there = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.values.slice(column.offset * size, len(column) * size).to_numpy(zero_copy_only=False)
    text = orjson.dumps(values.reshape(-1, size), option=orjson.OPT_SERIALIZE_NUMPY).decode()[2:-2]
    empty = "," * (size - 1)
    rows = text.split("],[") if len(column) else []
    return pyarrow.array([row if good else empty for row, good in zip(rows, there, strict=True)], pyarrow.string())
