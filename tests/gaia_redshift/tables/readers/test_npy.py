"""Arrays with fields, arrays of text, and archives that are none."""

import io
import zipfile
from typing import Any

import numpy as np
import pyarrow
import pytest

from gaia_redshift.errors import InvalidTableError, MalformedBodyError
from gaia_redshift.tables.readers.npy import open_npy, open_npz


def saved(values: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.save(file, values)
    file.seek(0)
    return file


def zipped(**arrays: Any) -> io.BytesIO:
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    return file


def read(table: Any) -> pyarrow.Table:
    return pyarrow.Table.from_batches([block.columns for block in table.blocks(range(len(table.schema)), ())])


FLUX = np.ones((3, 186), np.float32)


def test_a_structured_array_has_a_column_for_each_field() -> None:
    values = np.array([(1, "x", 0.5), (2, "y", 1.5)], [("source_id", "i8"), ("name", "U3"), ("z", "f4")])
    found = read(open_npy(saved(values)))
    assert found.to_pydict() == {"source_id": [1, 2], "name": ["x", "y"], "z": [0.5, 1.5]}


def test_an_array_stored_column_by_column_is_read_too() -> None:
    found = read(open_npy(saved(np.asfortranarray(np.arange(2 * 186, dtype=np.float32).reshape(2, 186)))))
    assert found["flux"].to_pylist()[1][0] == 186


def test_an_archive_has_a_column_for_each_array() -> None:
    found = read(
        open_npz(zipped(flux=FLUX, name=np.array(["a", "b", "c"]), seen=np.array(["2016-01-01"] * 3, "M8[D]")))
    )
    assert found["name"].to_pylist() == ["a", "b", "c"]
    assert found["seen"].to_pylist() == ["2016-01-01"] * 3


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([{}, {}], object), "Python objects"),
        (np.ones((2, 3, 4)), "shape"),
        (np.ones((0, 186)), "no rows"),
        (np.array(["x" * 3] * 186)[None], "not numbers"),
        (np.ones((2, 186), complex), "not numbers"),
    ],
)
def test_an_array_that_holds_no_spectra_says_what_it_holds(values: Any, message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        read(open_npy(saved(values)))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"flux": FLUX, "z": np.ones(2)}, "the array z has 2 rows, another 3"),
        ({"flux": FLUX[:0]}, "no rows"),
    ],
)
def test_arrays_that_are_no_columns_of_one_table_are_refused(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidTableError, match=message):
        read(open_npz(zipped(**arrays)))


def test_an_array_that_is_cut_short_in_its_archive_is_refused() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("flux.npy", saved(FLUX).getvalue()[:-100])
    file.seek(0)
    with pytest.raises(MalformedBodyError, match=r"flux.npy is cut short"):
        read(open_npz(file))
