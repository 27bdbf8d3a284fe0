"""Columns in types that every format has: numbers, truth values, text, arrays of numbers. Imports `samples`."""

import orjson
import pyarrow
import pyarrow.compute as pc

from gaia_redshift.tables.samples import as_text, is_array, is_text

types = pyarrow.types
_ROWS_AT_ONCE = 256


def plain(rows: pyarrow.RecordBatch) -> pyarrow.RecordBatch:
    """Return the rows with every column in a plain type; times become ISO 8601, nested values JSON."""
    columns = [plain_column(column) for column in rows.columns]
    fields = [field.with_type(column.type) for field, column in zip(rows.schema, columns, strict=True)]
    return pyarrow.RecordBatch.from_arrays(columns, schema=pyarrow.schema(fields, metadata=rows.schema.metadata))


def plain_column(column: pyarrow.Array) -> pyarrow.Array:
    """Return one column in a plain type."""
    kind = column.type
    if types.is_dictionary(kind):
        return plain_column(column.dictionary_decode())
    if is_text(kind):
        return as_text(column)
    if types.is_null(kind) or types.is_temporal(kind):
        return column.cast(pyarrow.string())
    if types.is_decimal(kind) or types.is_float16(kind):
        return column.cast(pyarrow.float64() if types.is_decimal(kind) else pyarrow.float32())
    if _is_plain(kind) or (is_array(kind) and _is_plain(kind.value_type)):
        return column
    return pyarrow.array([None if value is None else _json(value) for value in column.to_pylist()], pyarrow.string())


def _is_plain(kind: pyarrow.DataType) -> bool:
    return bool(types.is_floating(kind) or types.is_integer(kind) or types.is_boolean(kind))


def _json(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return orjson.dumps(value, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def array_text(column: pyarrow.Array) -> pyarrow.Array:
    """Return arrays of numbers as JSON text, null as null."""
    made: list[str | None] = []
    for start in range(0, len(column), _ROWS_AT_ONCE):  # in parts: as Python's numbers they take four times the memory
        rows = column.slice(start, _ROWS_AT_ONCE).to_pylist()
        made += [None if row is None else orjson.dumps(row).decode() for row in rows]
    return pyarrow.array(made, pyarrow.string())


def unique_names(names: list[str]) -> list[str]:
    """Return names without empty ones and without duplicates, in any case."""
    taken: set[str] = set()
    made = []
    for position, name in enumerate(names, start=1):
        own = name.strip() or f"column_{position}"
        unique, number = own, 2
        while unique.lower() in taken:
            unique, number = f"{own}_{number}", number + 1
        taken.add(unique.lower())
        made.append(unique)
    return made


def decimals(column: pyarrow.Array, digits: int = 6) -> pyarrow.Array:
    """Return numbers as text with so many decimals, null and NaN as null."""
    values = pc.if_else(pc.is_finite(column), column, None)
    if pc.any(pc.greater(pc.abs(values), 1e9)).as_py():
        return pyarrow.array([None if value is None else f"{value:.{digits}f}" for value in values.to_pylist()])
    scale = 10**digits
    scaled = pc.cast(pc.round(pc.multiply(values, float(scale))), pyarrow.int64())
    size = pc.abs(scaled)
    whole = pc.divide(size, scale)
    rest = pc.utf8_lpad(pc.cast(pc.subtract(size, pc.multiply(whole, scale)), pyarrow.string()), digits, "0")
    sign = pc.if_else(pc.less(scaled, 0), "-", "")
    number = pc.binary_join_element_wise(sign, pc.cast(whole, pyarrow.string()), "")
    return pc.binary_join_element_wise(number, rest, ".")
