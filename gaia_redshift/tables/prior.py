"""A prior on redshift from a CSV file. Imports `prior` and `errors` of the project."""

import csv
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.interpretation.prior import MOST_NODES, Prior, PriorTable

_COLUMNS = ("redshift", "density")
_NAMED: dict[str, Prior] = {"survey": "survey", "flat": "flat"}


def find_prior(name: str) -> Prior:
    """Return the prior of this name, or the one in the file of this name; raises InvalidInputError as `read_prior`."""
    return _NAMED[name] if name in _NAMED else read_prior(Path(name))


def read_prior(path: Path) -> PriorTable:
    """Read a prior from a CSV file with the columns ``redshift`` and ``density``, in any order and any case.

    Raises
    ------
    InvalidInputError
        If the file cannot be read, a column is missing, a cell is not a number, or the numbers are not a valid prior.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [[cell.strip() for cell in row] for row in islice(csv.reader(file), MOST_NODES + 2) if row]
    except OSError as error:
        raise InvalidInputError(
            f"the prior {str(path)!r} is neither survey, flat, nor a file that can be read: {error.strerror}"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InvalidInputError(f"{path.name} is not CSV: {error}") from error
    names = [name.lower() for name in rows[0]] if rows else []
    missing = [name for name in _COLUMNS if name not in names]
    if missing:
        raise InvalidInputError(f"{path.name} needs the columns redshift and density: {missing[0]} is missing")
    redshift, density = (
        [_number(row, names.index(name), path, line) for line, row in enumerate(rows[1:], start=2)] for name in _COLUMNS
    )
    try:
        return PriorTable(redshift=redshift, density=density)
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = "".join(f"[{part}]" if isinstance(part, int) else f" {part}" for part in problem["loc"])
        raise InvalidInputError(f"{path.name}:{place} {problem['msg']}") from error


def _number(row: list[str], column: int, path: Path, line: int) -> float:
    try:
        return float(row[column])
    except IndexError:
        raise InvalidInputError(f"{path.name}: row {line} has too few cells") from None
    except ValueError:
        raise InvalidInputError(f"{path.name}: row {line} holds {row[column][:40]!r}, which is not a number") from None
