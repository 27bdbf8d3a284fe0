"""Limits on Arrow columns, so that memory stays in proportion to the input. Imports its neighbours."""

import numpy as np
import pyarrow
import pyarrow.compute as pc
from pyarrow import types

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.tables.samples import is_text
from gaia_redshift.tables.table import MOST_COLUMNS

FREE_BYTES, RATIO = 64 << 20, 20
"""Compressed data may unpack to so much, and to so many times its size: spectra compress two- to tenfold."""
FREE_TEXT, _FREE_TEXTS = 8 << 20, 48 << 20
"""The same for the text of one column of a block, in which many cells may name one text, and of all of them."""
_LONGEST_LIST, _DEEPEST = 1 << 16, 8


def check_columns(schema: pyarrow.Schema) -> None:
    """Refuse too many columns, or a type whose values may take far more memory than the input."""
    if len(schema) > MOST_COLUMNS:
        raise InvalidTableError(f"the table has {len(schema)} columns: at most {MOST_COLUMNS} are read")
    for field in schema:
        if not _is_bounded(field.type):
            raise InvalidTableError(
                f"column {field.name[:40]} has the type {str(field.type)[:40]}, which is not read: leave it out",
                [Detail(field.name[:80], "needs numbers, text, or lists of them")],
            )


def _is_bounded(kind: pyarrow.DataType, depth: int = 0) -> bool:
    if types.is_run_end_encoded(kind) or types.is_list_view(kind) or types.is_large_list_view(kind):
        return False
    if types.is_union(kind) or depth > _DEEPEST or (types.is_fixed_size_list(kind) and kind.list_size > _LONGEST_LIST):
        return False
    if depth and (types.is_null(kind) or types.is_string_view(kind) or types.is_binary_view(kind)):
        return False
    if types.is_dictionary(kind):
        return not depth and _is_bounded(kind.value_type, depth + 1)
    return all(_is_bounded(kind.field(place).type, depth + 1) for place in range(kind.num_fields))


def check_text(batch: pyarrow.RecordBatch) -> None:
    """Refuse cells that repeat a long text; raises pyarrow.ArrowInvalid."""
    together = in_all = 0
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        size, stored = _text_of(column)
        together, in_all = together + size, in_all + stored
        if size > FREE_TEXT + RATIO * stored or together > _FREE_TEXTS + RATIO * in_all:
            raise pyarrow.ArrowInvalid(
                f"column {name[:40]} has {size} bytes of text in {len(batch)} rows: leave it out"
            )


def _text_of(column: pyarrow.Array) -> tuple[int, int]:
    """Return the bytes of a column's text, and as they are stored, if many cells can name one text."""
    if types.is_dictionary(column.type):
        known = column.dictionary
        if not (is_text(known.type) or types.is_binary(known.type) or types.is_large_binary(known.type)):
            return 0, 0
        lengths = pc.binary_length(known).cast(pyarrow.int64())
        return pc.sum(lengths.take(column.indices)).as_py() or 0, known.nbytes
    if types.is_string_view(column.type) or types.is_binary_view(column.type):
        views = np.frombuffer(column.buffers()[1], np.int32).reshape(-1, 4)[column.offset :][: len(column), 0]
        return int(views.sum(dtype=np.int64)), column.get_total_buffer_size()
    return 0, 0
