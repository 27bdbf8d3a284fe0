"""Arrays of other types and shapes are refused alike everywhere, with what to do."""

import io
from typing import Any

import numpy as np
import pytest

from app.wire.npy import read_npy
from gaia_redshift import Client
from gaia_redshift.errors import RedshiftError
from gaia_redshift.spectra import DR3
from gaia_redshift.spectra.shapes import wrong_shape
from gaia_redshift.tables.dataframes import read_blocks
from gaia_redshift.tables.formats import opened

RAGGED = np.array([[1.0] * 186, [1.0] * 185], dtype=object)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def refusals(array: Any) -> dict[str, str]:
    """Return the messages of the service, the readers of files and of memory, and the client on an array."""
    said = {}
    ways = {
        "wire": lambda: read_npy(npy(array), 10),
        "file": lambda: opened(io.BytesIO(npy(array))).__enter__(),
        "memory": lambda: list(read_blocks(array, DR3)),
        "client": lambda: Client("http://127.0.0.1:1").predict(array),
    }
    for name, way in ways.items():
        with pytest.raises((RedshiftError, ValueError)) as caught:
            way()
        said[name] = str(caught.value)
    return said


@pytest.mark.parametrize(
    ("array", "advice"),
    [
        (np.ones((2, 186), complex), "send its real part"),
        (np.ones((2, 186), bool), "NaN for masked values"),
        (np.ones((2, 186), "M8[s]"), "dates"),
        (np.ones((1, 3, 186)), r"array.reshape(-1, 186)"),
        (np.ones((186, 5)), "array.T"),
        (np.ones((2, 343)), "XP_SAMPLED"),
        (np.ones((2, 120)), "numpy.concatenate([bp, rp], axis=1)"),
        (np.ones((2, 187)), "array[:, 1:]"),
        (np.ones((2, 110)), "coefficients"),
    ],
    ids=[
        "complex",
        "truth values",
        "dates",
        "three dimensions",
        "transposed",
        "343",
        "one band",
        "ids",
        "coefficients",
    ],
)
def test_each_way_in_says_what_to_do_with_it(array: Any, advice: str) -> None:
    for way, message in refusals(array).items():
        assert advice in message, (way, message)


def test_objects_and_records_are_not_unpickled_and_named() -> None:
    said = refusals(RAGGED)
    assert "numpy.stack" in said["wire"]
    assert "numpy.stack" in said["file"]
    assert "give an array of shape" in said["client"]
    with pytest.raises(RedshiftError, match="a structured type, records"):
        read_npy(npy(np.zeros(2, [("source_id", "i8"), ("flux", "f4", (186,))])), 10)


def test_a_structured_array_is_a_table() -> None:
    array = np.ones(2, [("source_id", "i8"), ("flux", "f4", (186,))])
    (batch,) = read_blocks(array, DR3)
    assert batch.source_id == [1, 1]
    file = io.BytesIO()
    np.savez(file, array)
    with opened(file) as table:
        assert table.schema.names == ["source_id", "flux"]


@pytest.mark.parametrize(("shape", "advice"), [((186,), "array[None]"), ((0, 186), "empty"), ((), ""), ((2, 50), "")])
def test_what_is_known_to_help_is_said_and_nothing_else(shape: tuple[int, ...], advice: str) -> None:
    assert advice in wrong_shape(shape)
    assert bool(wrong_shape(shape)) == bool(advice)
