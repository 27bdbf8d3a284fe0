"""Writing ECSV, astropy's CSV with types, units and descriptions. Imports its neighbours."""

import json
from collections.abc import Mapping
from typing import IO

import numpy as np
import pyarrow
import pyarrow.compute as pc

from gaia_redshift.tables.samples import is_array
from gaia_redshift.tables.table import DESCRIPTION, UCD, UNIT, about
from gaia_redshift.tables.writers.csv import quoted
from gaia_redshift.tables.writers.plain import array_text, plain, unique_names


class EcsvWriter:
    """Writes rows to an ECSV file.

    Parameters
    ----------
    file : binary file
    about : mapping
        Goes into the header.
    """

    def __init__(self, file: IO[bytes], about: Mapping[str, str]) -> None:
        self._file, self._about = file, about
        self._begun = False

    def write(self, rows: pyarrow.RecordBatch) -> None:
        """Add rows, below the header if they are the first."""
        made = plain(rows)
        if not self._begun:
            self._file.write(self._header(made.schema).encode())
            self._begun = True
        columns = [pc.fill_null(_cells(column), "") for column in made.columns]
        lines = pc.binary_join_element_wise(*columns, ",").to_pylist()
        self._file.write("".join(f"{line}\n" for line in lines).encode())

    def close(self) -> None:
        """Do nothing: every row is written."""

    def _header(self, schema: pyarrow.Schema) -> str:
        names = unique_names(schema.names)
        lines = ["%ECSV 1.0", "---", "delimiter: ','", "datatype:"]
        lines += [f"- {json.dumps(_column(name, field))}" for name, field in zip(names, schema, strict=True)]
        if self._about:
            lines += ["meta:", *(f"  {json.dumps(key)}: {json.dumps(text)}" for key, text in self._about.items())]
        head = ",".join(quoted(pyarrow.array(names, pyarrow.string())).to_pylist())
        return "".join(f"# {line}\n" for line in lines) + head + "\n"


def _column(name: str, field: pyarrow.Field) -> dict[str, object]:
    described: dict[str, object] = {"name": name, "datatype": _type(field.type)}
    if is_array(field.type):
        size = field.type.list_size if pyarrow.types.is_fixed_size_list(field.type) else "null"
        described |= {"datatype": "string", "subtype": f"{_type(field.type.value_type)}[{size}]"}
    for key, what in (("unit", UNIT), ("description", DESCRIPTION)):
        if text := about(field, what):
            described[key] = text
    if ucd := about(field, UCD):
        described["meta"] = {"ucd": ucd}
    return described


def _type(kind: pyarrow.DataType) -> str:
    if pyarrow.types.is_boolean(kind):
        return "bool"
    if pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind):
        return str(np.dtype(kind.to_pandas_dtype()))
    return "string"


def _cells(column: pyarrow.Array) -> pyarrow.Array:
    if is_array(column.type):
        return quoted(array_text(column))
    if pyarrow.types.is_string(column.type):
        # Astropy reads an empty cell as masked, quoted or not: empty text cannot be told from missing text.
        return quoted(column)
    text = pc.cast(column, pyarrow.string())
    return pc.utf8_capitalize(text) if pyarrow.types.is_boolean(column.type) else text
