"""Converting the archive's files to Parquet files of coefficients, a fortieth of their size. Imports `tables`."""

from collections.abc import Iterator, Mapping
from typing import IO, Any

import numpy as np
import pyarrow
from pyarrow import parquet

from gaia_redshift.bulk.job import Note
from gaia_redshift.bulk.outcome import Outcome
from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import RELEASES, Problem
from gaia_redshift.tables.bases import unknown_bases, with_basis_ids
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.identifiers import source_id_field
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.recognised import Recognised
from gaia_redshift.tables.samples import Samples, from_arrays
from gaia_redshift.tables.table import Table, described

_GROUP_ROWS = 1 << 16
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Converting:
    """Keeps identifiers and coefficients, in single precision; a row that cannot be read has no coefficients."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything that an output depends on, besides its input."""
        return {"task": "convert", "coefficients": "float32"}

    def run(self, source: IO[bytes], name: str, target: IO[bytes], note: Note) -> Outcome:
        """Convert one file; see `Task`."""
        outcome = Outcome()
        with opened(source, name) as table:
            found = recognise(table)
            if found.kind != "coefficients" or found.source_id is None:
                raise InvalidTableError(
                    f"{name} holds no coefficients of the archive with their source_id ({found.sentence}): only such "
                    "files are converted",
                    [Detail("bp_coefficients", "needed")],
                )
            schema = _schema(found)
            floats = [f"{field.name}.list.element" for field in schema if field.name != "source_id"]
            with parquet.ParquetWriter(
                target, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=floats,
                write_page_checksum=True,
            ) as writer:  # fmt: skip
                waiting: list[pyarrow.RecordBatch] = []
                for rows in _converted(table, found, schema, outcome):
                    waiting.append(rows)
                    if sum(map(len, waiting)) >= _GROUP_ROWS:
                        writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=_GROUP_ROWS)
                        waiting = []
                if waiting:
                    writer.write_table(pyarrow.Table.from_batches(waiting), row_group_size=_GROUP_ROWS)
                if not outcome.rows:
                    raise InvalidTableError("the table has no rows")
                writer.add_key_value_metadata(note.metadata(outcome))
        return outcome


def _schema(found: Recognised) -> pyarrow.Schema:
    fields = [source_id_field()]
    for band in found.bands:
        text = f"Coefficients of the mean {band.upper()} spectrum in {found.release}"
        # Not lists of a fixed size: pyarrow before 26 cannot read one that is null.
        fields.append(described(f"{band}_coefficients", pyarrow.list_(pyarrow.float32()), "", text))
    return pyarrow.schema(fields, metadata={"release": found.release})


def _sizes(found: Recognised) -> dict[str, int]:
    return dict(zip(("bp", "rp"), RELEASES[found.release].coefficients, strict=True))


def _converted(
    table: Table, found: Recognised, schema: pyarrow.Schema, outcome: Outcome
) -> Iterator[pyarrow.RecordBatch]:
    own = found.source_id
    if own is None:
        return
    table.settle([own])
    sizes = _sizes(found)
    places = with_basis_ids(found, [own, *found.columns])
    for block in table.blocks(places, found.columns):
        identities, *columns = block.columns.columns[: 1 + len(found.columns)]
        problems: dict[int, Problem] = {**unknown_bases(found, places, block), **block.problems}
        bands = []
        for band, column in zip(found.bands, columns, strict=True):
            samples = from_arrays(f"{band}_coefficients", column, (sizes[band],))
            for row, (_, problem) in samples.problems.items():
                problems.setdefault(row, problem)
            bands.append(samples)
        for row, problem in sorted(_unfit(bands, found, problems).items()):
            outcome.name(outcome.rows + row, identities[row].as_py(), problem.code, problem.message)
            problems[row] = problem
        outcome.rows += len(block.columns)
        lost = np.zeros(len(block.columns), np.bool_)
        lost[list(problems)] = True
        made = [_integers(identities), *(_single(samples, lost) for samples in bands)]
        yield pyarrow.RecordBatch.from_arrays(made, schema=schema)


def _unfit(bands: list[Samples], found: Recognised, problems: dict[int, Problem]) -> dict[int, Problem]:
    """Return the problems, and those of rows whose numbers are not finite, or no float32."""
    wrong = dict(problems)
    for band, samples in zip(found.bands, bands, strict=True):
        good = np.abs(samples.values) <= _FLOAT32_MAX
        for row in np.flatnonzero(~good.all(axis=1)).tolist():
            place = int(np.argmin(good[row]))
            at = f"{band}_coefficients[{place}]"
            wrong.setdefault(row, Problem("not_finite", f"{at} is {samples.values[row, place]}: it must be finite"))
    return wrong


def _integers(column: pyarrow.Array) -> pyarrow.Array:
    try:
        return column.cast(pyarrow.int64())
    except pyarrow.ArrowInvalid as error:
        raise InvalidTableError(f"source_id holds values that are not Gaia's integers: {error}") from error


def _single(samples: Samples, lost: Any) -> pyarrow.Array:
    values = samples.values[~lost].astype(np.float32)
    offsets = np.concatenate([[0], np.cumsum(np.where(lost, 0, samples.values.shape[1]))]).astype(np.int32)
    return pyarrow.ListArray.from_arrays(
        pyarrow.array(offsets), pyarrow.array(values.ravel()), mask=pyarrow.array(lost)
    )
