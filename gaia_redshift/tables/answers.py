"""Predictions as Arrow columns, alone or after the columns of the input. Imports `interpretation` of the project."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import Predictions
from gaia_redshift.tables.buffers import from_numbers, from_texts, from_truths
from gaia_redshift.tables.identifiers import SOURCE_ID, SOURCE_ID_UCD
from gaia_redshift.tables.table import DESCRIPTION, UCD, described

_REDSHIFT = "src.redshift.phot"
_INTERVALS = {
    "redshift": ("Redshift from the BP/RP spectrum", _REDSHIFT),
    "redshift_lower": ("Lower end of the 68% interval of the redshift", f"{_REDSHIFT};stat.min"),
    "redshift_upper": ("Upper end of the 68% interval of the redshift", f"{_REDSHIFT};stat.max"),
    "redshift_lower95": ("Lower end of the 95% interval of the redshift", f"{_REDSHIFT};stat.min"),
    "redshift_upper95": ("Upper end of the 95% interval of the redshift", f"{_REDSHIFT};stat.max"),
}
_WORDS = {
    "quality": ("Quality flags of the redshift, joined by |", "meta.code.qual"),
    "status": ("ok, or error where there is no redshift", "meta.code.status"),
    "error": ("Why there is no redshift", "meta.code.error"),
}
_STAMP = {
    "model": "Model and its version",
    "prior": "Prior on redshift",
    "corrected_to_ebv": "E(B-V) after the correction for extinction, that of the model's training, in mag",
}
_DENSITY = ("Probability density of the redshift per bin", f"stat.probability;{_REDSHIFT}")


def answer_schema(
    identifiers: pyarrow.DataType | None, bins: int = 0, about: Mapping[str, str] | None = None
) -> pyarrow.Schema:
    """Return the schema of predictions.

    `identifiers` is their type, None for none; `bins` the number of bins of the densities, 0 for none; `about`, the
    model and the prior, goes into the metadata.
    """
    columns = [pyarrow.field(SOURCE_ID, identifiers)] if identifiers else []
    for name, (description, ucd) in _INTERVALS.items():
        columns.append(described(name, pyarrow.float64(), "", description, ucd))
    for name, (description, ucd) in _WORDS.items():
        columns.append(described(name, pyarrow.string(), "", description, ucd))
    if bins:
        columns.append(described("pdf", pyarrow.list_(pyarrow.float64(), bins), "", *_DENSITY))
    return pyarrow.schema(columns, metadata=dict(about) if about else None)


def to_arrow(predictions: Predictions, about: Mapping[str, str] | None = None) -> pyarrow.RecordBatch:
    """Return one row per spectrum; a row without a redshift has nulls and its error."""
    redshifts, problems = predictions.redshifts, predictions.problems
    bins = 0 if redshifts.pdf is None else redshifts.pdf.shape[1]
    identifiers = None if predictions.source_id is None else identifier_array(predictions.source_id)
    schema = answer_schema(None if identifiers is None else identifiers.type, bins, about)
    columns = [] if identifiers is None else [identifiers]
    columns += [from_numbers(column, ~np.isnan(column)) for column in np.ascontiguousarray(redshifts.values.T)]
    missing = np.zeros(len(predictions), np.bool_)
    missing[list(problems)] = True
    errors: list[str | None] = [None] * len(predictions)
    for row, problem in problems.items():
        errors[row] = f"{problem.code}: {problem.message}"
    columns += [
        _words(redshifts.flags),
        from_texts(["ok", "error"]).take(from_numbers(missing.astype(np.int8))),
        from_texts(errors) if problems else pyarrow.nulls(len(predictions), pyarrow.string()),
    ]
    if redshifts.pdf is not None:
        flat = from_numbers(redshifts.pdf.ravel())
        columns.append(pyarrow.FixedSizeListArray.from_arrays(flat, bins, mask=from_truths(missing)))
    return pyarrow.RecordBatch.from_arrays(columns, schema=schema)


def identifier_array(values: Sequence[int | str | None]) -> pyarrow.Array:
    """Return identifiers as 64-bit integers if all are integers that fit, for joining tables; else as text."""
    numbers = [value for value in values if type(value) is int]
    if numbers and all(value is None or type(value) is int for value in values):
        low, high = min(numbers), max(numbers)
        if low >= -(2**63) and high < 2**63:
            return pyarrow.array(values, pyarrow.int64())
        if low >= 0 and high < 2**64:
            return pyarrow.array(values, pyarrow.uint64())
    return pyarrow.array([None if value is None else str(value) for value in values], pyarrow.string())


def _words(flags: NDArray[np.int32]) -> pyarrow.StringArray:
    """Return each row's flags joined by ``|``; each combination is made once, since there are few."""
    kinds, rows = np.unique(flags, return_inverse=True)
    return from_texts(["|".join(flag_names(kind)) for kind in kinds.tolist()]).take(from_numbers(rows))


def beside(
    carried: pyarrow.RecordBatch | None, predictions: Predictions, about: Mapping[str, str]
) -> pyarrow.RecordBatch:
    """Return the input's other columns, followed by the predictions.

    Parameters
    ----------
    carried : RecordBatch, optional
        Kept in their order and types; ``_input`` is added to a name that the predictions have too.
    predictions : Predictions
    about : mapping
        Goes into the schema's metadata.
    """
    if carried is None:
        return to_arrow(predictions, about)
    answers = to_arrow(replace(predictions, source_id=None), about)  # the identifiers are among the carried columns
    fields = [_apart(field, answers.schema.names) for field in carried.schema]
    schema = pyarrow.schema([*fields, *answers.schema], metadata=answers.schema.metadata)
    return pyarrow.RecordBatch.from_arrays([*carried.columns, *answers.columns], schema=schema)


def stamped(rows: pyarrow.RecordBatch, about: Mapping[str, str]) -> pyarrow.RecordBatch:
    """Return rows with the columns ``model``, ``prior`` and so on of `about`, for files that will be joined."""
    stamp = {name: description for name, description in _STAMP.items() if name in about}
    fields = [field.with_name(f"{field.name}_input") if field.name in stamp else field for field in rows.schema]
    fields += [described(name, pyarrow.string(), "", description, "meta.note") for name, description in stamp.items()]
    columns = [*rows.columns, *(pyarrow.repeat(about[name], len(rows)) for name in stamp)]
    return pyarrow.RecordBatch.from_arrays(columns, schema=pyarrow.schema(fields, metadata=rows.schema.metadata))


def _apart(field: pyarrow.Field, taken: list[str]) -> pyarrow.Field:
    """Rename a carried column whose name is taken, and give identifiers their UCD."""
    if field.name.strip().lower() == SOURCE_ID and not (field.metadata or {}).get(UCD):
        known = {DESCRIPTION: "Gaia's identifier of the source, unique within a release", UCD: SOURCE_ID_UCD}
        return field.with_metadata({**known, **(field.metadata or {})})
    return field.with_name(f"{field.name}_input") if field.name in taken else field


def write_arrow(predictions: Predictions, about: Mapping[str, str]) -> bytes:
    """Return an Arrow IPC stream of one batch."""
    batch = to_arrow(predictions, about)
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content
