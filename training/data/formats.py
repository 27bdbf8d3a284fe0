"""Files of labelled spectra, one reader per format, block by block. Imports `errors` of the project.

Parquet, FITS and VOTable keep a spectrum in one array column or in one column per sample, CSV in the latter alone. A
reader knows nothing of spectra: it gives the columns that it is asked for.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from gaia_redshift.installation import how_to_install
from gaia_redshift.spectra import DR3, FloatArray

Kind = Literal["number", "whole", "text", "array"]
"""What a column is read as: float32 with NaN for null, int64 with -1 for null, str with "" for null; (n, k) float32."""

Block = Mapping[str, NDArray[Any]]

_ARROW: Mapping[Kind, pa.DataType] = {"number": pa.float32(), "whole": pa.int64(), "text": pa.string()}
_PARQUET_ROWS = 16_384
_CSV_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """An open file."""

    names: Sequence[str]
    """Of the columns, as the file spells them."""
    metadata: Mapping[str, str]
    """What the file says of itself, keys in lower case."""
    blocks: Callable[[Mapping[str, Kind]], Iterator[Block]]
    """Reads the named columns, consecutive rows at a time."""


def open_table(path: Path) -> AbstractContextManager[Table]:
    """Open a file in the format of its name; what is not Parquet, FITS or VOTable is CSV, also compressed.

    Raises
    ------
    InvalidInputError
        If the file, or later one of its blocks, cannot be read.
    MissingDependencyError
        If the format needs astropy, which is not installed.
    """
    name = path.name.lower().removesuffix(".gz")
    readers = {".parquet": _parquet, ".pq": _parquet, ".fits": _fits, ".fit": _fits}
    readers |= dict.fromkeys((".vot", ".votable", ".xml"), _votable)
    return _reading(path, readers.get(Path(name).suffix, _csv))


@contextmanager
def _reading(path: Path, reader: Callable[[Path], AbstractContextManager[Table]]) -> Iterator[Table]:
    if not path.is_file():
        raise InvalidInputError(f"{path} is not a file")
    if path.stat().st_size == 0:
        raise InvalidInputError(f"{path.name} is empty")
    try:
        with reader(path) as table:
            yield table
    except (pa.ArrowException, OSError, UnicodeError) as error:
        raise InvalidInputError(f"{path.name} cannot be read: {error}") from error


@contextmanager
def _csv(path: Path) -> Iterator[Table]:
    with pyarrow.csv.open_csv(path) as header:
        names = header.schema.names

    def blocks(wanted: Mapping[str, Kind]) -> Iterator[Block]:
        for name, kind in wanted.items():
            if kind == "array":
                raise InvalidInputError(f"{path.name}: column {name} cannot hold arrays: CSV needs a column per sample")
        # Typing only the columns that are read keeps 520,393 rows small and refuses text at its exact place.
        types = {name: _ARROW[kind] for name, kind in wanted.items()}
        convert = pyarrow.csv.ConvertOptions(include_columns=list(wanted), column_types=types, strings_can_be_null=True)
        read = pyarrow.csv.ReadOptions(block_size=_CSV_BYTES)
        with pyarrow.csv.open_csv(path, read_options=read, convert_options=convert) as reader:
            for batch in reader:
                yield {name: _column(batch.column(name), kind) for name, kind in wanted.items()}

    yield Table(names, {}, blocks)


@contextmanager
def _parquet(path: Path) -> Iterator[Table]:
    # Reading ahead would keep the whole file in memory, for as long as anything knows the reader.
    with pyarrow.parquet.ParquetFile(path, pre_buffer=False) as file:
        schema = file.schema_arrow

        def blocks(wanted: Mapping[str, Kind]) -> Iterator[Block]:
            row = 0
            for batch in file.iter_batches(_PARQUET_ROWS, columns=list(wanted)):
                yield {
                    name: _lists(batch.column(name), f"{path.name}: column {name}", row)
                    if kind == "array"
                    else _column(batch.column(name), kind)
                    for name, kind in wanted.items()
                }
                row += len(batch)

        metadata = {_text(key).lower(): _text(value) for key, value in (schema.metadata or {}).items()}
        yield Table(schema.names, metadata, blocks)


@contextmanager
def _fits(path: Path) -> Iterator[Table]:
    try:
        from astropy.io import fits
    except ImportError as error:
        raise MissingDependencyError(f"FITS needs astropy: {how_to_install('train')}") from error
    with fits.open(path) as file:
        table = next((unit for unit in file if isinstance(unit, fits.BinTableHDU | fits.TableHDU)), None)
        if table is None:
            raise InvalidInputError(f"{path.name} holds no table")
        nulls = {column.name: column.null for column in table.columns}

        def blocks(wanted: Mapping[str, Kind]) -> Iterator[Block]:
            try:
                data = table.data
            except (TypeError, ValueError) as error:  # shorter than its header says
                raise InvalidInputError(f"{path.name} cannot be read: {error}") from error
            yield {
                name: _values(data[name], kind, f"{path.name}: column {name}", nulls[name])
                for name, kind in wanted.items()
            }

        metadata = {key.lower(): str(value) for key, value in table.header.items()}
        yield Table(table.columns.names, metadata, blocks)


@contextmanager
def _votable(path: Path) -> Iterator[Table]:
    try:
        from astropy.io import votable
    except ImportError as error:
        raise MissingDependencyError(f"VOTable needs astropy: {how_to_install('train')}") from error
    try:
        document = votable.parse(path, verify="ignore")
        table = document.get_first_table()
    except Exception as error:  # whatever a damaged document provokes: the parser's errors share no base class
        raise InvalidInputError(f"{path.name} cannot be read: {error}") from error

    def blocks(wanted: Mapping[str, Kind]) -> Iterator[Block]:
        yield {
            name: _values(table.array[table.fields[names.index(name)].ID], kind, f"{path.name}: column {name}")
            for name, kind in wanted.items()
        }

    names = [field.name for field in table.fields]
    said = [*document.infos, *document.params, *table.infos, *table.params]
    yield Table(names, {one.name.lower(): _text(one.value) for one in said if one.name}, blocks)


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _column(column: Any, kind: Kind) -> NDArray[Any]:
    """Return an Arrow array of numbers or text."""
    if kind == "number":
        return np.asarray(column.cast(pa.float32()).to_numpy(zero_copy_only=False), dtype=np.float32)
    if kind == "whole":
        return np.asarray(column.cast(pa.int64()).fill_null(-1).to_numpy(zero_copy_only=False))
    words = column.cast(pa.string()).fill_null("")
    return np.asarray(words.to_numpy(zero_copy_only=False), dtype=np.str_)


def _lists(column: Any, what: str, row: int) -> FloatArray:
    """Return an Arrow array of lists as shape (n, k), a null or empty one as NaN."""
    kind = column.type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        raise InvalidInputError(f"{what} is {kind}, not a list of numbers")
    lengths = column.value_lengths().fill_null(0).to_numpy()
    return _stacked(lengths, lambda: _column(column.drop_null().flatten(), "number"), what, row)


def _stacked(lengths: NDArray[Any], values: Callable[[], FloatArray], what: str, row: int) -> FloatArray:
    """Return arrays of one length as shape (n, k); those of length 0 become NaN."""
    filled = lengths != 0
    width = int(lengths[filled][0]) if filled.any() else DR3.samples
    wrong = np.flatnonzero(filled & (lengths != width))
    if len(wrong):
        raise InvalidInputError(f"{what}: row {row + wrong[0]} has {lengths[wrong[0]]} numbers, others {width}")
    stacked = np.full((len(lengths), width), np.nan, np.float32)
    stacked[filled] = values().reshape(-1, width)
    return stacked


def _values(values: Any, kind: Kind, what: str, null: int | None = None) -> NDArray[Any]:
    """Return astropy's column, masked or not, in any byte order."""
    missing = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    try:
        if kind == "text":
            return np.array([_text(value).strip() for value in plain], dtype=np.str_)
        if kind == "whole":
            return np.where(missing | (plain == null), -1, plain.astype(np.int64))
        if plain.dtype == object:
            lengths = np.array([np.size(value) for value in plain])
            return _stacked(lengths, lambda: np.concatenate([*map(np.ravel, plain)]).astype(np.float32), what, 0)
        numbers = plain.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"{what} does not hold numbers: {error}") from error
    if kind == "array" and numbers.ndim != 2:
        raise InvalidInputError(f"{what} holds single values, not arrays of numbers")
    if kind == "number" and numbers.ndim != 1:
        raise InvalidInputError(f"{what} holds arrays, not single values")
    if missing.any():
        numbers[missing] = np.nan
    return numbers
