"""A table's library, its columns and its identifiers. Imports `spectra`, `errors` and its neighbours.

Tables are recognised by their type: pandas, polars and astropy are not imported.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from gaia_redshift.errors import Detail, InvalidInputError, InvalidTableError
from gaia_redshift.spectra import FLOAT_IDS, Identifier, read_identifiers
from gaia_redshift.tables.identifiers import find_identifier

Table: TypeAlias = Any
"""A table of pandas, polars, astropy, pyarrow or NumPy: not imported for their types, where they have any."""

_LIBRARIES = ("pyarrow", "pandas", "polars", "astropy")


def is_table(table: object) -> bool:
    """Return whether this is a table or a Series, not an array."""
    try:
        return kind_of(table) != "numpy"
    except InvalidInputError:
        return False


def kind_of(table: object) -> str:
    """Return the library that a table belongs to."""
    if isinstance(table, np.ndarray) and table.dtype.names is not None:
        return "dict"
    if isinstance(table, np.ndarray | list | tuple) or hasattr(table, "unmasked"):
        return "numpy"
    if isinstance(table, Mapping):
        return "products" if products(table) else "dict"
    if type(table).__name__ == "Series":
        return "series"
    kind = next((base.__module__.partition(".")[0] for base in type(table).__mro__ if _is_table(base)), None)
    if kind is None:
        name = type(table).__name__
        way_out = _WAYS_OUT.get(name, "")
        raise InvalidInputError(
            f"{name} is not a table{way_out}: give an array of spectra or a table of pyarrow, pandas, polars or astropy"
        )
    return kind


_WAYS_OUT = {
    "LazyFrame": " (collect() makes it one)",
    "Row": " (table[:1] is one)",
    **dict.fromkeys(("str", "PosixPath", "WindowsPath"), " (gaia_redshift.read(path) reads one)"),
}


def _is_table(base: type) -> bool:
    return base.__name__ in {"RecordBatch", "Table", "DataFrame"} and base.__module__.partition(".")[0] in _LIBRARIES


def identifiers(table: Table) -> tuple[str | None, Sequence[Identifier] | None]:
    """Return the name of the identifier column and the identifiers, each in its own type; None, None without one.

    Raises
    ------
    InvalidTableError
        If they are floats.
    """
    if kind_of(table) == "products":
        parts = [identifiers(product) for product in products(table)]
        if any(names is None for _, names in parts):
            return None, None
        return parts[0][0], [name for _, names in parts for name in names or ()]
    name = named_by(table)
    if name is None:
        return None, None
    try:
        return name, read_identifiers(_naming_column(table, name))
    except ValueError as error:
        raise InvalidTableError(str(error), [Detail(name, "needs integers or text")]) from None


def refuse_float_identifiers(table: Table) -> None:
    """Raise InvalidTableError if what names the rows of a table are floats, as text too."""
    kind = kind_of(table)
    name = None if kind in {"numpy", "series", "products"} else named_by(table)
    if name is None or getattr(getattr(_naming_column(table, name), "dtype", None), "kind", "") in {"i", "u"}:
        return
    try:
        identifiers(table)
    except InvalidTableError as error:
        if error.message == FLOAT_IDS:
            raise


def _naming_column(table: Table, name: str) -> Any:
    return table[name] if name in column_names(table) else table.index


def column_names(table: Table) -> list[object]:
    """Return the names of a table's columns; an array or a Series has none."""
    kind = kind_of(table)
    if kind in {"numpy", "series"}:
        return []
    if kind == "pyarrow":
        return list(table.schema.names)
    if kind == "dict":
        return list(table.dtype.names if isinstance(table, np.ndarray) else table)
    return list(table.colnames if kind == "astropy" else table.columns)


def named_by(table: Table) -> str | None:
    """Return the name of the identifier column, or of pandas' index if that holds them; None if there is none."""
    names = [name for name in column_names(table) if isinstance(name, str)]
    index = getattr(getattr(table, "index", None), "name", None)
    if isinstance(index, str) and index.strip().lower() not in {name.strip().lower() for name in names}:
        names.append(index)
    place = find_identifier(names)
    return None if place is None else names[place]


def products(table: Mapping[str, Any]) -> list[Any]:
    """Return the tables in a dict of astroquery's DataLink; an empty list for a dict of columns."""
    found = [one for value in table.values() for one in (value if isinstance(value, list | tuple) else [value])]
    tables = [one.to_table() if hasattr(one, "to_table") else one for one in found]
    return tables if tables and all(hasattr(one, "colnames") for one in tables) else []
