"""NumPy's ``.npy`` and ``.npz``, some thousand rows at a time. Imports its neighbours; nothing is unpickled."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, TypeAlias

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.spectra import DR3
from gaia_redshift.spectra.shapes import wrong_shape, wrong_type
from gaia_redshift.tables.readers.bounds import FREE_BYTES, RATIO
from gaia_redshift.tables.readers.typed import column
from gaia_redshift.tables.table import BLOCK_ROWS, MOST_COLUMNS, Block, PlainTable

Column: TypeAlias = NDArray[Any]
"""Of the type that the file says."""

_MOST_UNPACKED = 2 << 30
"""Most bytes that the arrays of an ``.npz`` may claim: they are read whole."""


def open_npy(file: IO[bytes]) -> PlainTable:
    """Open an array of spectra, shape (n, samples), or a structured array with a field for each column.

    Raises
    ------
    InvalidTableError
        If the array is of another shape, or holds no numbers.
    MalformedBodyError
        If it is damaged, or shorter than its header says.
    """
    size = file.seek(0, 2)
    shape, fortran, dtype, start = _npy_header(file)
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > size - start:
        raise MalformedBodyError(f"the array is cut short: its header claims the shape {shape}, {size} bytes follow")
    if fortran and len(shape) > 1:
        _check(shape, dtype)
        return _table({"flux": np.load(_whole(file), allow_pickle=False)})
    _check(shape, dtype)
    rows = shape[0]
    width = dtype.itemsize * int(np.prod(shape[1:], dtype=np.int64))

    def blocks(columns: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        for first in range(0, rows, BLOCK_ROWS):
            count = min(BLOCK_ROWS, rows - first)
            file.seek(start + first * width)
            part = np.frombuffer(file.read(count * width), dtype).reshape(count, *shape[1:])
            yield _block(_columns(part), columns)

    empty = _columns(np.empty((0, *shape[1:]), dtype))
    return PlainTable("npy", _schema(empty), blocks)


def _whole(file: IO[bytes]) -> IO[bytes]:
    file.seek(0)
    return file


def _npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    file.seek(0)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = read(file)
    except Exception as error:  # whatever a damaged header provokes: tokenizer's, parser's, NumPy's
        raise MalformedBodyError(f"the file is not a NumPy array: {str(error)[:200]}") from error
    if dtype.hasobject:
        raise InvalidTableError(wrong_type("O", "|O"))
    return shape, fortran, dtype, file.tell()


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
    file.seek(0)
    arrays = {}
    try:
        with zipfile.ZipFile(file) as archive:
            most = min(_MOST_UNPACKED, FREE_BYTES + RATIO * file.seek(0, 2))
            if sum(one.file_size for one in archive.infolist()) > most:
                raise MalformedBodyError(f"the archive unpacks to more than {most} bytes: write it as .npy")
            for one in archive.infolist():
                with archive.open(one) as member:
                    content = io.BytesIO(member.read(one.file_size))
                shape, _, dtype, start = _npy_header(content)
                if int(np.prod(shape, dtype=object)) * dtype.itemsize > len(content.getbuffer()) - start:
                    raise MalformedBodyError(f"the array {one.filename[:40]} is cut short")
                arrays[one.filename.removesuffix(".npy")] = np.load(_whole(content), allow_pickle=False)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise MalformedBodyError(f"the archive is damaged: {error}") from error
    if len(arrays) == 1:
        array = next(iter(arrays.values()))
        _check(array.shape, array.dtype)
        arrays = _columns(array)
    return _table(arrays)


def _table(arrays: dict[str, Column]) -> PlainTable:
    rows = max((len(values) for values in arrays.values() if values.ndim), default=0)
    columns = {name: values for name, values in arrays.items() if values.ndim in {1, 2}}
    wrong = [name for name, values in columns.items() if len(values) != rows]
    if wrong:
        raise InvalidTableError(f"the array {wrong[0][:40]} has {len(columns[wrong[0]])} rows, another {rows}")
    if not rows:
        raise InvalidTableError("the table has no rows")

    def blocks(wanted: Sequence[int], _numbers: Sequence[int]) -> Iterator[Block]:
        for first in range(0, rows, BLOCK_ROWS):
            yield _block({name: values[first : first + BLOCK_ROWS] for name, values in columns.items()}, wanted)

    return PlainTable("npy", _schema(columns), blocks)
