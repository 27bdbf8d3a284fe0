import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.npy import read_npy
from gaia_redshift.errors import InvalidRequestError, MalformedBodyError
from gaia_redshift.spectra import DR3

GOOD = np.random.default_rng(3).uniform(0.1, 9, (5, DR3.samples))


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def header(text: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    written = text.encode()
    return b"\x93NUMPY" + version + struct.pack("<H", len(written)) + written + data


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_float_and_order_gives_the_same_spectra(dtype: str, order: str) -> None:
    array = np.asarray(GOOD.astype(np.float32).astype(dtype), order=order)
    batch = read_npy(npy(array), 10)
    assert batch.flux.dtype == np.float32
    assert (batch.flux == GOOD.astype(np.float32)).all()
    assert batch.source_id is None


def test_all_240_samples_are_truncated() -> None:
    array = np.full((5, 240), 99.0)
    array[:, 34:114], array[:, 124:230] = GOOD[:, :80], GOOD[:, 80:]
    assert (read_npy(npy(array), 10).flux == GOOD.astype(np.float32)).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_is_refused_at_its_position(value: float) -> None:
    array = GOOD.copy()
    array[3, 17] = value
    with pytest.raises(InvalidRequestError, match="in 1 place") as caught:
        read_npy(npy(array), 10)
    assert [detail.at for detail in caught.value.details] == ["spectra[3].flux[17]"]


def test_a_number_beyond_float32_is_left_to_be_refused_by_row_as_in_json() -> None:
    array = GOOD.copy()
    array[1, 0] = 1e300
    assert np.isinf(read_npy(npy(array), 10).flux[1, 0])


@pytest.mark.parametrize("shape", [(0, 186), (186,), (2, 185), (2, 187), (1, 2, 186), ()])
def test_a_wrong_shape_is_refused_with_the_right_one(shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequestError, match=r"send \(n, 186\) or \(n, 240\)"):
        read_npy(npy(np.ones(shape)), 10)


def test_more_spectra_than_allowed_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="11 spectra in one request: at most 10"):
        read_npy(npy(np.ones((11, DR3.samples))), 10)


@pytest.mark.parametrize(
    "array",
    [
        np.ones((2, DR3.samples), np.int64),
        np.ones((2, DR3.samples), np.float16),
        np.ones((2, DR3.samples), np.complex128),
        np.full((2, DR3.samples), "1"),
        np.zeros((2, DR3.samples), [("a", "f4"), ("b", "f4")]),
    ],
    ids=["integers", "half floats", "complex", "text", "records"],
)
def test_what_is_no_float32_or_float64_is_refused(array: np.ndarray) -> None:
    with pytest.raises(MalformedBodyError, match="float"):
        read_npy(npy(array), 10)


SHAPE = "'fortran_order': False, 'shape': "


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x93NUMPY",
        b"PK\x03\x04" + b"\0" * 100,
        npy(GOOD)[:-1],
        npy(GOOD) + b"\0",
        npy(GOOD)[:50],
        header("{'descr': '<f4', " + SHAPE + f"({2**70}, 186)}}\n"),
        header("{'descr': '<f4', " + SHAPE + "(-1, 186)}\n", b"\0" * 744),
        header("{'descr': '<f4', " + SHAPE + "(True, 186)}\n", b"\0" * 744),
        header("{'descr': '|O', " + SHAPE + "(1, 186)}\n", b"\x80\x04."),
        header("{'descr': '<f4', " + SHAPE + "(1, 186)}\n", b"\0" * 744, version=b"\x09\x00"),
        header("{'descr': ('<f4', (2,)), " + SHAPE + "(1, 186)}\n", b"\0" * 744),
        header("(" * 900),
        header("{'descr': '<f4'" + " " * 60_000 + "}"),
        header("__import__('os').system('true')\n"),
    ],
    ids=range(15),
)
def test_what_is_no_such_array_is_refused_unread(body: bytes) -> None:
    with pytest.raises((MalformedBodyError, InvalidRequestError)):
        read_npy(body, 10)


def test_objects_are_never_unpickled(tmp_path: Any) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return open, (str(tmp_path / "trap"), "w")

    with pytest.raises(MalformedBodyError, match="float"):
        read_npy(npy(np.full((1, DR3.samples), Trap(), object), allow_pickle=True), 10)
    assert not (tmp_path / "trap").exists()


@given(st.binary(max_size=300), st.integers(0, 128))
def test_any_change_of_the_header_gives_spectra_or_an_error_of_ours(junk: bytes, start: int) -> None:
    good = npy(GOOD)
    body = good[:start] + junk + good[start + len(junk) :]
    try:
        batch = read_npy(body, 10)
    except (MalformedBodyError, InvalidRequestError):
        return
    assert batch.flux.shape[1] == DR3.samples
    assert np.isfinite(batch.flux).all()
