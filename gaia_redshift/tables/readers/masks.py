"""Masks in columns of their own, as astropy writes them: ``flux.mask`` for ``flux``. Imports pyarrow alone.

The numbers below a mask have no meaning: a masked value is a missing one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow
from pyarrow import compute

_ENDING = ".mask"


def masks_of(schema: pyarrow.Schema) -> Mapping[str, str]:
    """Return the columns that have a mask, with the columns of booleans or arrays of booleans that hold it."""
    return {
        name.removesuffix(_ENDING): name
        for name, kind in zip(schema.names, schema.types, strict=True)
        if name.endswith(_ENDING) and name.removesuffix(_ENDING) in schema.names and _is_mask(kind)
    }


def masked(batch: pyarrow.RecordBatch, names: Sequence[str], masks: Mapping[str, str]) -> pyarrow.RecordBatch:
    """Return columns of a batch in the order of `names`, null where their masks are true."""
    columns = [
        _masked(batch.column(name), batch.column(masks[name])) if name in masks else batch.column(name)
        for name in names
    ]
    return pyarrow.RecordBatch.from_arrays(columns, list(names))


def _is_mask(kind: pyarrow.DataType) -> bool:
    return bool(pyarrow.types.is_boolean(_element(kind)))


def _element(kind: pyarrow.DataType) -> pyarrow.DataType:
    types = pyarrow.types
    is_list = types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)
    return kind.value_type if is_list else kind


def _masked(column: pyarrow.Array, mask: pyarrow.Array) -> pyarrow.Array:
    if pyarrow.types.is_boolean(mask.type):
        return compute.if_else(mask.fill_null(True), pyarrow.scalar(None, column.type), column)
    lengths = compute.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
    if not np.array_equal(lengths, compute.list_value_length(mask).fill_null(0).to_numpy(zero_copy_only=False)):
        raise pyarrow.ArrowInvalid("a mask has another length than its column")
    values = compute.if_else(mask.flatten().fill_null(True), None, column.flatten())
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    return pyarrow.ListArray.from_arrays(pyarrow.array(offsets), values)
