"""Numbers from text, a column at a time. Imports `spectra` of the project.

Numbers may have blanks around them, a plus, a D for the exponent, or a comma for the point; arrays have round or square
brackets, with commas or blanks between the numbers. Anything else is a problem of its row.
"""

import io
import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pyarrow
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as arrow_csv

MISSING = (
    "", "null", "NULL", "Null", "NA", "N/A", "n/a", "na", "<NA>", "#N/A", "--", "---", "-", "masked", "\\N", "None",
    "NONE", "nil", "NIL", "Nil", "N.A.", "n.a.", "#NA", "#NULL!", "#VALUE!", "#REF!", "#DIV/0!", "(null)", "<null>",
    "[null]", "missing", "Missing", "MISSING", "Masked", "MASKED", "undefined", "undef", "UNDEF", "NaT", "?", ".", "..",
    "...", "\u2026", "\u2013", "\u2014", "----", "-----", "*", "**", "***", "\\n", '""', "''",
)  # fmt: skip
"""Words for missing values; NaN is a number that is not finite."""

_NUMBER = r"^[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?$|^[-+]?(?i:nan|inf|infinity)$"
NUMBER = re.compile(_NUMBER)
_BRACKETS = " \t\r\n()[]{}"


@cache
def missing_words() -> pyarrow.Array:
    """Return `MISSING` as an array; made when needed, since pyarrow imports pandas to make an array of a list."""
    return pyarrow.array(MISSING)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers of a column of n rows."""

    values: NDArray[np.float64]
    """Shape (n,); NaN where there is none."""
    missing: NDArray[np.bool_]
    wrong: NDArray[np.bool_]
    """Rows that hold something, but no number."""


def numbers(column: pyarrow.Array, *, decimal_comma: bool = False) -> Numbers:
    """Read a column of text as numbers.

    Parameters
    ----------
    column : pyarrow array of text
    decimal_comma : bool
        Whether a comma may be the decimal point.
    """
    there = pc.fill_null(pc.greater(pc.binary_length(column), 0), fill_value=False).to_numpy(zero_copy_only=False)
    if not there.all():  # unreadable and empty rows may be many: they are skipped here
        values, missing, wrong = np.full(len(column), np.nan), ~there, np.zeros(len(column), np.bool_)
        if there.any():
            found = numbers(column.filter(pyarrow.array(there)), decimal_comma=decimal_comma)
            values[there], missing[there], wrong[there] = found.values, found.missing, found.wrong
        return Numbers(values, missing, wrong)
    text = pc.utf8_trim_whitespace(column)
    missing = pc.or_kleene(pc.is_null(text), pc.fill_null(pc.is_in(text, missing_words()), fill_value=False))
    plain = pc.replace_substring_regex(text, r"^([-+]?[\d.,]+)[dD]([-+]?\d+)$", r"\1e\2")
    if decimal_comma:
        plain = pc.replace_substring_regex(plain, r"^([-+]?\d*),", r"\1.")
    good = pc.fill_null(pc.match_substring_regex(plain, _NUMBER), fill_value=False)
    good = pc.and_(good, pc.invert(missing))
    plain = pc.replace_substring_regex(pc.if_else(good, plain, "nan"), r"^\+", "")
    plain = pc.replace_substring_regex(plain, r"^-nan$", "nan", max_replacements=1)
    values = np.array(pc.cast(plain, pyarrow.float64()).to_numpy(zero_copy_only=False), np.float64)
    empty = missing.to_numpy(zero_copy_only=False)
    return Numbers(values, empty, ~good.to_numpy(zero_copy_only=False) & ~empty)


@dataclass(frozen=True, slots=True)
class Rows:
    """Arrays from the cells of a column of n rows."""

    values: NDArray[np.float64]
    """Shape (n, k); zero where a row has another length, NaN where a number is missing."""
    lengths: NDArray[np.int64]
    """How many numbers each row has; -1 where its text is not an array of numbers, 0 where the cell is empty."""
    missing: NDArray[np.bool_]
    """Shape (n, k): which numbers are null."""


def arrays(column: pyarrow.Array, allowed: tuple[int, ...]) -> Rows:
    """Read a column of arrays written as text, such as ``(0.3, 0.2)``, ``[0.3, null]`` or NumPy's ``[0.3 0.2]``.

    Parameters
    ----------
    column : pyarrow array of text
    allowed : tuple of int
        Lengths that the arrays may have; k is the first of them that a row has.
    """
    text, lengths = _plain(column)
    wanted = next((length for length in allowed if (lengths == length).any()), allowed[0])
    good = lengths == wanted
    values, missing = np.zeros((len(lengths), wanted)), np.zeros((len(lengths), wanted), np.bool_)
    if good.any():
        chosen = text if good.all() else text.filter(pyarrow.array(good))
        found, absent, wrong = _lines(chosen, wanted)
        values[good], missing[good] = found, absent
        lengths[np.flatnonzero(good)[wrong]] = -1
    lengths[pc.match_substring(text, "...").to_numpy(zero_copy_only=False)] = -1
    return Rows(values, lengths, missing)


def lengths(column: pyarrow.Array) -> set[int]:
    """Return how many numbers the arrays of a column of text have, by their commas; zero for an empty cell."""
    return set(_plain(column)[1].tolist())


def _plain(column: pyarrow.Array) -> tuple[pyarrow.Array, NDArray[np.int64]]:
    """Return arrays as numbers with commas between, and how many each row has."""
    text = pc.fill_null(column, "")
    if pc.any(pc.match_substring_regex(text, r"^\s*(array|List|np\.array)")).as_py():
        text = pc.replace_substring_regex(text, r"^\s*(?:np\.)?(?:array|List)\s*\(", "(")
        text = pc.replace_substring_regex(text, r",\s*dtype=.*$", "")
    text = pc.utf8_trim(text, characters=_BRACKETS)
    if pc.any(pc.match_substring_regex(text, r"[\r\n]")).as_py():
        text = pc.replace_substring_regex(text, r"[\r\n]+", " ")
    blanks = pc.and_(pc.invert(pc.match_substring(text, ",")), pc.match_substring(text, " "))
    if pc.any(blanks).as_py():
        text = pc.if_else(blanks, pc.replace_substring_regex(text, r"\s+", ","), text)
    empty = pc.or_(pc.equal(pc.utf8_length(text), 0), pc.is_in(text, missing_words()))
    empty = pc.or_(empty, pc.match_substring_regex(text, r"^(?i:nan)$"))
    counted = pc.add(pc.count_substring(text, ","), 1)
    lengths = np.array(pc.if_else(empty, 0, counted).to_numpy(zero_copy_only=False), np.int64)
    return text, lengths


def _lines(text: pyarrow.Array, width: int) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read lines of `width` numbers with commas between: as CSV, whose numbers Arrow reads fastest."""
    names = [str(number) for number in range(width)]
    content = "\n".join(text.to_pylist()).encode() + b"\n"
    values = np.empty((len(text), width))
    missing = np.zeros((len(text), width), np.bool_)
    wrong = np.zeros(len(text), np.bool_)
    try:
        table = _read(content, names, pyarrow.float64())
    except pyarrow.ArrowInvalid:
        table = _read(content, names, pyarrow.string())
    if len(table) != len(text):  # cannot happen: every line has its commas and no quotes
        raise ValueError("lines were lost")
    for index, column in enumerate(table.columns):
        if pyarrow.types.is_string(column.type):
            found = numbers(column.combine_chunks())
            values[:, index], missing[:, index] = found.values, found.missing
            wrong |= found.wrong
        else:
            values[:, index] = column.to_numpy()
            if column.null_count:
                missing[:, index] = column.is_null().to_numpy()
    return values, missing, wrong


def _read(content: bytes, names: list[str], kind: pyarrow.DataType) -> pyarrow.Table:
    return arrow_csv.read_csv(
        io.BytesIO(content),
        read_options=arrow_csv.ReadOptions(column_names=names, use_threads=False, block_size=len(content) + 1),
        parse_options=arrow_csv.ParseOptions(quote_char=False, ignore_empty_lines=False),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(names, kind), null_values=list(MISSING), strings_can_be_null=False
        ),
    )
