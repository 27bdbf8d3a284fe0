"""Adding redshifts to a table in memory; the result is a table of the same library. Imports its neighbours.

Tables are recognised by their type: pandas, polars and astropy are not imported.
"""

import sys

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.tables.answers import identifier_array
from gaia_redshift.tables.identifiers import SOURCE_ID
from gaia_redshift.tables.kinds import Table, identifiers, kind_of


def add_columns(table: object, answers: pyarrow.Table) -> Table:
    """Return a table of the same library with the columns of `answers`; columns of the same name are replaced.

    An array gives a structured array of the answers alone, a Series a DataFrame of the answers with its index, a dict a
    pyarrow Table of the answers with its identifiers. A table's own identifiers are kept.
    """
    kind = kind_of(table)
    own = SOURCE_ID in answers.column_names and kind in {"pyarrow", "pandas", "polars", "astropy"}
    return _ADD[kind](table, answers.drop_columns(SOURCE_ID) if own else answers)


def _plain(answers: pyarrow.Table) -> dict[str, NDArray[np.generic]]:
    """Return the columns as NumPy arrays: text as objects, densities with a second axis."""
    columns = {}
    for name in answers.column_names:
        column = answers[name].combine_chunks()
        if pyarrow.types.is_fixed_size_list(column.type):
            columns[name] = column.values.to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
        else:
            columns[name] = column.to_numpy(zero_copy_only=False)
    return columns


def _to_structured(_table: Table, answers: pyarrow.Table) -> Table:
    columns = _plain(answers)
    texts = {name: np.array([text or "" for text in values]) for name, values in columns.items() if values.dtype == "O"}
    columns |= texts
    types = [(name, values.dtype, values.shape[1:]) for name, values in columns.items()]
    filled = np.empty(len(answers), types)
    for name, values in columns.items():
        filled[name] = values
    return filled


def _to_pyarrow(table: Table, answers: pyarrow.Table) -> Table:
    made = table if isinstance(table, pyarrow.Table) else pyarrow.Table.from_batches([table])
    made = made.drop_columns([name for name in answers.column_names if name in made.column_names])
    for name in answers.column_names:
        made = made.append_column(answers.schema.field(name), answers[name])
    if isinstance(table, pyarrow.Table):
        return made
    return made.combine_chunks().to_batches()[0] if len(made) else pyarrow.RecordBatch.from_pylist([], made.schema)


def _to_pandas(table: Table, answers: pyarrow.Table) -> Table:
    """Add all columns at once: pandas warns where many columns are added one by one."""
    library = sys.modules["pandas"]  # also for classes derived from its own, such as LSDB's
    columns = {name: list(values) if values.ndim > 1 else values for name, values in _plain(answers).items()}
    replaced = {name: columns.pop(name) for name in list(columns) if name in table.columns}
    made = library.concat([table.assign(**replaced), library.DataFrame(columns, table.index)], axis=1)
    made.attrs = dict(table.attrs)
    return made


def _to_answers(table: Table, answers: pyarrow.Table) -> Table:
    _, names = identifiers(table)
    if names is None:
        return answers
    others = [name for name in answers.column_names if name != SOURCE_ID]
    return answers.select(others).add_column(0, SOURCE_ID, identifier_array(names))


def _to_frame(series: Table, answers: pyarrow.Table) -> Table:
    library = sys.modules[type(series).__module__.partition(".")[0]]
    if library.__name__ == "polars":
        return library.from_arrow(answers)
    return library.DataFrame(
        {name: list(values) if values.ndim > 1 else values for name, values in _plain(answers).items()}, series.index
    )


def _to_polars(table: Table, answers: pyarrow.Table) -> Table:
    return table.with_columns(sys.modules["polars"].from_arrow(answers).get_columns())


def _to_astropy(table: Table, answers: pyarrow.Table) -> Table:
    made = table.copy(copy_data=False)
    for name, values in _plain(answers).items():
        made[name] = [text or "" for text in values] if values.dtype == "O" else values
    return made


_ADD = {
    "numpy": _to_structured,
    "series": _to_frame,
    "dict": _to_answers,
    "products": _to_answers,
    "pyarrow": _to_pyarrow,
    "pandas": _to_pandas,
    "polars": _to_polars,
    "astropy": _to_astropy,
}
