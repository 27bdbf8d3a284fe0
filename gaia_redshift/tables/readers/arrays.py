"""Arrays of numbers in cells of text, a column at a time. Imports its neighbours.

Arrays in round or square brackets with commas are read as JSON: simdjson (the extra `bulk`) reads 116,000 rows of 110
numbers a second, orjson 41,000. Anything else, such as NaN, is read row by row.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
import orjson
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.spectra import Problem
from gaia_redshift.tables import text
from gaia_redshift.tables.samples import empty

_simdjson: Any = import_module("simdjson") if find_spec("simdjson") else None
_BRACKETS = {b"[": b"]", b"(": b")"}


def read_arrays(name: str, cells: Sequence[bytes | None]) -> tuple[pyarrow.Array, dict[int, Problem]]:
    """Read the cells of a column.

    Parameters
    ----------
    name : str
        Of the column, for messages.
    cells : sequence of bytes
        None where there is none.

    Returns
    -------
    pyarrow array of lists of float64
        Null where a cell is empty or holds no array.
    dict
        Row to its problem; an empty cell is none.
    """
    bare = [_bare(cell) for cell in cells]
    counts = np.array([body.count(b",") + 1 if body else 0 for body in bare], np.int64)
    missing = np.array([body is None for body in bare])
    problems: dict[int, Problem] = {}
    values = _numbers(b",".join(body for body in bare if body))
    if values is None or len(values) != counts.sum():
        found: list[NDArray[np.float64]] = []
        for row, body in enumerate(bare):
            if not body:
                continue
            one = _numbers(body)
            if one is None or len(one) != counts[row]:
                one, problem = _slowly(name, body)
                if problem is not None:
                    problems[row], missing[row], counts[row] = problem, True, 0
                    continue
            found.append(one)
        values = np.concatenate(found) if found else np.empty(0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    mask = pyarrow.array(missing) if missing.any() else None
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), pyarrow.array(values), mask=mask), problems


def _bare(cell: bytes | None) -> bytes | None:
    """Return an array without its brackets, None for an empty cell."""
    if cell is None:
        return None
    if _BRACKETS.get(cell[:1]) != cell[-1:]:  # blanks around it, other brackets, a word for a missing value
        cell = cell.strip()
        if not cell or cell.decode("utf-8", "replace") in text.MISSING:
            return None
        return cell[1:-1].strip() if _BRACKETS.get(cell[:1], b"") == cell[-1:] else cell
    return cell[1:-1]


def _numbers(body: bytes) -> NDArray[np.float64] | None:
    """Return numbers separated by commas, None if they are not JSON."""
    if _simdjson is not None:
        try:
            return np.frombuffer(_simdjson.Parser().parse(b"[" + body + b"]").as_buffer(of_type="d"))
        except (TypeError, ValueError):
            return None
    if body.translate(None, b"0123456789+-.eE, "):  # null and true, which NumPy takes for numbers
        return None
    try:
        return np.array(orjson.loads(b"[" + body + b"]"), np.float64)
    except (TypeError, ValueError):
        return None


def _slowly(name: str, body: bytes) -> tuple[NDArray[np.float64], Problem | None]:
    """Return numbers in another notation than JSON's, or the problem."""
    words = body.decode("utf-8", "replace").split(",")
    found = text.numbers(pyarrow.array(words))
    if found.wrong.any():
        shown = str(words[int(np.argmax(found.wrong))]).strip()[:40]
        return found.values, Problem("not_a_number", f"{name} holds {shown!r}, which is not a number")
    if found.missing.any():
        return found.values, empty(f"{name}[{int(np.argmax(found.missing))}]")[1]
    return found.values, None
