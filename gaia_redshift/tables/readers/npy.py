"""NumPy's ``.npy`` and ``.npz``, some thousand rows at a time. Imports its neighbours; nothing is unpickled."""

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, TypeAlias, cast

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3
from gaia_redshift.spectra.shapes import wrong_shape, wrong_type
from gaia_redshift.tables.readers.bounds import FREE_BYTES, RATIO
from gaia_redshift.tables.readers.typed import column
from gaia_redshift.tables.table import BLOCK_ROWS, MOST_COLUMNS, Block, PlainTable
from gaia_redshift.tables.unpack import zip_archive

Column: TypeAlias = NDArray[Any]
"""A column in the file's type."""

_MOST_UNPACKED = 2 << 30
"""Most bytes that the arrays of an ``.npz`` may take on the disk."""
_MOST_ARRAYS = 1000
_BLOCK_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20
_IN_MEMORY_BYTES = 1 << 20


@dataclass(frozen=True)
class _Stored:
    """An array whose rows are read from its file on demand."""

    file: IO[bytes]
    start: int
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]

    @property
    def row_bytes(self) -> int:
        """How many bytes a row has."""
        return self.dtype.itemsize * int(np.prod(self.shape[1:], dtype=object))

    def rows(self, first: int, count: int) -> Column:
        """Read some rows."""
        if len(self.shape) == 1 or not self.fortran:
            return self._read(first * self.row_bytes, count * self.row_bytes).reshape(count, *self.shape[1:])
        size = self.dtype.itemsize
        columns = [self._read((place * self.shape[0] + first) * size, count * size) for place in range(self.shape[1])]
        return np.stack(columns, axis=1) if columns else np.empty((count, 0), self.dtype)

    def _read(self, place: int, size: int) -> Column:
        self.file.seek(self.start + place)
        return np.frombuffer(self.file.read(size), self.dtype)


def open_npy(file: IO[bytes]) -> PlainTable:
    """Open an array of spectra, shape (n, samples), or a structured array with a field for each column.

    Raises
    ------
    InvalidTableError
        If the array is of another shape, or holds no numbers.
    MalformedBodyError
        If it is damaged, or shorter than its header says.
    """
    array = _stored(file, 0, file.seek(0, 2))
    _check(array.shape, array.dtype)
    return _table({"flux": array})


def _stored(file: IO[bytes], place: int, end: int, name: str = "the array") -> _Stored:
    """Return the array that begins at a place of a file, and ends with it; `name` is for messages."""
    file.seek(place)
    shape, fortran, dtype = _npy_header(file)
    start = file.tell()
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > end - start:
        raise MalformedBodyError(
            f"{name} is cut short: its header claims the shape {str(shape)[:80]}, {end - start} bytes follow"
        )
    if any(length < 0 for length in shape):
        raise MalformedBodyError(f"the file is not a NumPy array: its shape is {str(shape)[:80]}")
    return _Stored(file, start, shape, fortran, dtype)


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # a damaged header raises errors of the tokenizer, the parser or NumPy
        raise MalformedBodyError(f"the file is not a NumPy array: {str(error)[:200]}") from error
    if dtype.hasobject:
        raise InvalidTableError(wrong_type("O", "|O"))
    return shape, fortran, dtype


def _check(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> None:
    names = dtype.names or ()
    fits = bool(names) or (len(shape) == 2 and (shape[1] in DR3.lengths["flux"] or not shape[0]))
    advice = "" if fits else wrong_shape(shape)
    if advice or len(shape) != (1 if names else 2) or len(names) > MOST_COLUMNS:
        raise InvalidTableError(
            f"the array has the shape {shape}: needed are (n, {DR3.samples}) or (n, {DR3.untruncated}), or a "
            f"structured array of shape (n,){'; ' if advice else ''}{advice}"
        )
    if not shape[0]:
        raise InvalidTableError("the table has no rows")
    if not names and dtype.kind not in "fiu":
        raise InvalidTableError(wrong_type(dtype.kind, str(dtype)))


def _columns(values: Column) -> dict[str, Column]:
    if values.dtype.names is None:
        return {"flux": values}
    return {name: values[name] for name in values.dtype.names}


def _typed(values: Column) -> pyarrow.Array:
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:  # Arrow has no long double
        values = values.astype(np.float64)
    if values.dtype.kind in "fiubS":
        return column(values)
    if values.dtype.kind == "U" and values.ndim == 1:
        return pyarrow.array(values.tolist(), pyarrow.string())
    return pyarrow.array([str(value) for value in values], pyarrow.string())


def _schema(columns: dict[str, Column]) -> pyarrow.Schema:
    return pyarrow.schema([(name, _typed(values[:0]).type) for name, values in columns.items()])


def _block(columns: dict[str, Column], wanted: Sequence[int]) -> Block:
    names = list(columns)
    chosen = [names[place] for place in wanted]
    return Block(pyarrow.RecordBatch.from_arrays([_typed(columns[name]) for name in chosen], chosen))


def open_npz(file: IO[bytes]) -> PlainTable:
    """Open an archive of arrays of one length, such as ``flux`` or ``bp`` and ``rp``, and ``source_id``.

    Raises
    ------
    InvalidTableError
        If the arrays differ in length, or there is none.
    MalformedBodyError
        If it is damaged, or unpacks to more than memory can hold.
    """
    arrays: dict[str, _Stored] = {}
    unpacked = cast("IO[bytes]", _Unpacked(max_size=_IN_MEMORY_BYTES))
    try:
        with zip_archive(file) as archive:
            for one in _members(archive, file.seek(0, 2)):
                place = unpacked.seek(0, 2)
                with archive.open(one) as member:
                    while piece := member.read(_PIECE_BYTES):
                        unpacked.write(piece)
                arrays[one.filename.removesuffix(".npy")] = _stored(unpacked, place, unpacked.tell(), one.filename)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise MalformedBodyError(f"the archive is damaged: {error}") from error
    if len(arrays) == 1:
        array = next(iter(arrays.values()))
        _check(array.shape, array.dtype)
        arrays = {"flux": array}
    return _table(arrays)


class _Unpacked(tempfile.SpooledTemporaryFile[bytes]):
    """A temporary file that is closed when its last reference goes."""

    def __del__(self) -> None:
        self.close()


def _members(archive: zipfile.ZipFile, size: int) -> list[zipfile.ZipInfo]:
    """Return the arrays of an archive of so many bytes; raises MalformedBodyError if they are too many or too large."""
    members = archive.infolist()
    most = min(_MOST_UNPACKED, FREE_BYTES + RATIO * size)
    if sum(one.file_size for one in members) > most:
        raise MalformedBodyError(f"the archive unpacks to more than {most} bytes: write it as .npy")
    if len(members) > _MOST_ARRAYS:
        raise MalformedBodyError(f"the archive holds {len(members)} arrays: at most {_MOST_ARRAYS} are read")
    return members


def _table(arrays: Mapping[str, _Stored]) -> PlainTable:
    rows = max((array.shape[0] for array in arrays.values() if array.shape), default=0)
    columns = {name: array for name, array in arrays.items() if len(array.shape) in {1, 2}}
    wrong = [name for name, array in columns.items() if array.shape[0] != rows]
    if wrong:
        raise InvalidTableError(f"the array {wrong[0][:40]} has {columns[wrong[0]].shape[0]} rows, another {rows}")
    if not rows:
        raise InvalidTableError("the table has no rows")
    step = max(1, min(BLOCK_ROWS, _BLOCK_BYTES // max(1, sum(array.row_bytes for array in columns.values()))))

    def read(first: int, count: int) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for name, array in columns.items():
            part = array.rows(first, count)
            found |= _columns(part) if len(columns) == 1 else {name: part}
        return found

    def blocks(wanted: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        for first in range(0, rows, step):
            yield _block(read(first, min(step, rows - first)), wanted)

    return PlainTable("npy", _schema(read(0, 0)), blocks)
