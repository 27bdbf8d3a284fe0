import csv
import dataclasses
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire.arrow import read_arrow
from gaia_redshift.errors import InvalidRequestError, InvalidTableError, MalformedBodyError, RedshiftError
from gaia_redshift.spectra import DR3, FLOAT_IDS
from gaia_redshift.tables.answers import write_arrow
from gaia_redshift.tables.csv import write_csv
from gaia_redshift.tables.readers.claims import claims
from tests.gaia_redshift.tables.test_csv import predictions
from tests.security.messages import V4, V5, bomb

GOOD = np.random.default_rng(3).uniform(0.1, 9, (6, DR3.samples)).astype(np.float32)


def lists(values: np.ndarray, kind: Callable[[pa.DataType], pa.DataType] = pa.list_, element: Any = None) -> pa.Array:
    element = element or pa.from_numpy_dtype(values.dtype)
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])
    return fixed.cast(kind(element))


def fixed(length: int) -> Callable[[pa.DataType], pa.DataType]:
    return lambda element: pa.list_(element, length)


def body(batch_size: int | None = None, compression: str | None = None, **columns: Any) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, batch_size)
    content: bytes = sink.getvalue().to_pybytes()
    return content


@pytest.mark.parametrize("kind", [pa.list_, pa.large_list, fixed(DR3.samples)], ids=["list", "large list", "fixed"])
@pytest.mark.parametrize("element", [pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_every_kind_of_list_gives_the_same_spectra_in_order(kind: Any, element: Any, batch_size: int | None) -> None:
    ids = pa.array([4295806720, 2**62, None, 1, 2, 3])
    batch = read_arrow(body(batch_size, flux=lists(GOOD, kind, element), source_id=ids), 10)
    assert batch.flux.dtype == np.float32
    assert (batch.flux == GOOD).all()
    assert batch.source_id == [4295806720, 2**62, None, 1, 2, 3]


def test_bands_a_column_for_each_sample_and_240_samples_all_give_the_same() -> None:
    bp, rp = np.full((6, 120), 99, np.float32), np.full((6, 120), 99, np.float32)
    bp[:, 34:114], rp[:, 4:110] = GOOD[:, :80], GOOD[:, 80:]
    forms = [
        body(rp=lists(rp), bp=lists(bp)),
        body(BP=lists(GOOD[:, :80]), RP=lists(GOOD[:, 80:]), z=pa.array(["text"] * 6)),
        body(flux=lists(np.hstack([bp, rp]))),
        body(**{f"flux_{n}": GOOD[:, n] for n in reversed(range(DR3.samples))}),
        body(**{f"bp_{n}": bp[:, n] for n in range(120)}, **{f"rp_{n}": rp[:, n] for n in range(120)}),
    ]
    for form in forms:
        batch = read_arrow(form, 10)
        assert (batch.flux == GOOD).all()
        assert batch.source_id is None


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_a_compressed_stream_is_read(compression: str) -> None:
    assert (read_arrow(body(compression=compression, flux=lists(GOOD)), 10).flux == GOOD).all()


def test_a_slice_of_a_larger_table_is_read_from_its_own_rows() -> None:
    for kind in (pa.list_, fixed(DR3.samples)):
        table = pa.table({"flux": lists(GOOD, kind)}).slice(2, 3)
        assert (read_arrow(body(flux=table["flux"]), 10).flux == GOOD[2:5]).all()


def places(content: bytes, most: int = 10) -> list[str]:
    with pytest.raises(InvalidRequestError) as caught:
        read_arrow(content, most)
    return [detail.at for detail in caught.value.details]


def test_what_is_missing_or_not_finite_is_refused_at_its_position_in_the_whole_stream() -> None:
    rows = GOOD.tolist()
    rows[4] = None
    assert places(body(2, flux=pa.array(rows, pa.list_(pa.float32())))) == ["spectra[4].flux"]
    rows = GOOD.tolist()
    rows[5][7] = None
    for kind in (pa.list_(pa.float32()), pa.list_(pa.float32(), DR3.samples)):
        assert places(body(4, flux=pa.array(rows, kind))) == ["spectra[5].flux[7]"]
    values = GOOD.copy()
    values[3, 0] = np.nan
    assert places(body(2, flux=lists(values))) == ["spectra[3].flux[0]"]
    assert places(body(2, bp=lists(values[:, :80]), rp=lists(values[:, 80:]))) == ["spectra[3].bp[0]"]
    flat: dict[str, Any] = {f"flux_{n}": pa.array(GOOD[:, n]) for n in range(DR3.samples)}
    flat["flux_9"] = pa.array([1.0, None, 1, 1, 1, 1])
    assert places(body(**flat)) == ["spectra[1].flux_9"]


def test_a_row_of_another_length_is_refused_at_its_position() -> None:
    rows = GOOD.tolist()
    rows[2] = rows[2][:185]
    assert places(body(flux=pa.array(rows))) == ["spectra[2].flux"]
    assert places(body(bp=pa.array([[0.0] * 80, [0.0] * 120]), rp=lists(GOOD[:2, 80:]))) == ["spectra[1].bp"]
    assert len(places(body(flux=pa.array([[1.0]] * 1000)), 1000)) == 20


def test_no_spectrum_too_many_or_a_long_name_are_refused() -> None:
    assert places(body(flux=lists(GOOD).slice(0, 0))) == ["spectra"]
    assert places(body(2, flux=lists(GOOD)), 5) == ["spectra"]
    assert places(body(flux=lists(GOOD[:1]), source_id=["x" * 257])) == ["spectra[0].source_id"]


@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"a": [1, 2]},
        {"flux": [1.0, 2.0]},
        {"flux": [["a"], ["b"]]},
        {"flux": [[[1.0]], [[2.0]]]},
        {"flux": pa.array(["a", "b"]).dictionary_encode()},
        {"bp": lists(GOOD[:, :80])},
        {"flux": lists(GOOD), "rp": lists(GOOD[:, 80:])},
        {"flux": lists(GOOD), "FLUX": lists(GOOD)},
        {"flux": lists(GOOD), "source_id": pa.array([1.5] * 6)},
        {"flux": pa.array([[1.0] * DR3.samples], pa.list_view(pa.float64()))},
        {"flux": pa.array([[1.0] * DR3.samples]), "source_id": pa.array(["a"], pa.string_view())},
        {"flux": pa.RunEndEncodedArray.from_arrays([6], lists(GOOD[:1]))},
    ],
    ids=range(13),
)
def test_columns_that_make_no_spectra_are_refused(columns: dict[str, Any]) -> None:
    with pytest.raises((InvalidTableError, MalformedBodyError)):
        read_arrow(body(**columns), 10)


def test_a_stream_that_would_unpack_to_far_too_much_is_refused_unpacked() -> None:
    bomb = body(compression="zstd", flux=lists(GOOD), source_id=["\0" * (40 << 20)] * 1 + [""] * 5)
    assert len(bomb) < 100_000
    with pytest.raises(MalformedBodyError, match="more than 10 spectra can need"):
        read_arrow(bomb, 10)


def test_the_claim_of_a_batch_is_read_as_arrow_wrote_it() -> None:
    for compression in (None, "zstd"):
        content = body(compression=compression, flux=lists(GOOD))
        schema, claim = claims(io.BytesIO(content))
        assert schema.kind == "schema"
        assert claim.rows == 6
        assert GOOD.nbytes <= claim.unpacked < GOOD.nbytes + 200


@pytest.mark.parametrize("content", [b"", b"\xff" * 8, b"ARROW1\0\0", b"\xff\xff\xff\xff\x10\0\0\0" + b"\0" * 16])
def test_what_is_no_arrow_stream_is_refused(content: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="not an Arrow stream"):
        read_arrow(content, 10)


@given(st.data())
def test_any_change_of_the_bytes_gives_spectra_or_an_error_of_ours(data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD_BODIES))
    start = data.draw(st.integers(0, len(good)))
    junk = data.draw(st.binary(min_size=1, max_size=20))
    changed = good[:start] + junk + good[start + len(junk) :]
    try:
        batch = read_arrow(changed[: data.draw(st.integers(0, len(changed)))], 10)
    except RedshiftError:
        return
    assert batch.flux.shape[1] == DR3.samples
    assert len(batch) <= 10


GOOD_BODIES = [
    body(flux=lists(GOOD), source_id=[str(n) for n in range(6)]),
    body(compression="lz4", flux=lists(GOOD[:1], fixed(DR3.samples))),
    body(2, bp=lists(GOOD[:, :80]), rp=lists(GOOD[:, 80:])),
]


def test_an_answer_in_arrow_says_what_one_in_csv_says() -> None:
    with pa.ipc.open_stream(write_arrow(predictions(named=True), {"model": "tiny@1.2.3"})) as answer:
        table = answer.read_all()
    assert table.schema.metadata == {b"model": b"tiny@1.2.3"}
    first, second = table.to_pylist()
    in_csv = list(csv.DictReader(io.StringIO(write_csv(predictions(named=True), header=True))))
    assert {name: str(first[name] or "") for name in ("source_id", "quality", "status", "error")}.items() <= in_csv[
        0
    ].items()
    assert f"{first['redshift_upper95']:.6f}" == in_csv[0]["redshift_upper95"]
    assert second["redshift"] is second["redshift_lower"] is second["source_id"] is None
    assert (second["status"], second["error"]) == ("error", in_csv[1]["error"])


def test_densities_are_lists_of_a_fixed_length_and_null_where_there_is_no_redshift() -> None:
    plain = predictions(named=False)
    pdf = np.array([[0.5, 1.5, 0.0], [np.nan] * 3])
    with_pdf = dataclasses.replace(plain, redshifts=dataclasses.replace(plain.redshifts, pdf=pdf))
    with pa.ipc.open_stream(write_arrow(with_pdf, {"bin_edges": "[0,0.2,0.4,0.6]"})) as answer:
        table = answer.read_all()
    assert table.schema.field("pdf").type == pa.list_(pa.float64(), 3)
    assert table["pdf"].to_pylist() == [[0.5, 1.5, 0.0], None]
    assert table.schema.metadata == {b"bin_edges": b"[0,0.2,0.4,0.6]"}


@pytest.mark.parametrize("name", ["hidden", "stated", "both"])
def test_a_stream_of_old_metadata_is_refused_wherever_it_names_its_codec(name: str) -> None:
    forms = {"hidden": {}, "stated": {"hidden": False, "stated": True}, "both": {"stated": True}}
    for schema, batch in ((V4, V4), (V5, V4), (V4, V5), (V5, 0)):
        with pytest.raises(MalformedBodyError, match=r"older than version 5|not an Arrow stream"):
            read_arrow(bomb(100, schema_version=schema, version=batch, **forms[name]), 10)


def test_metadata_of_version_5_unpack_only_where_the_batch_says_so() -> None:
    assert read_arrow(bomb(100, stated=True, schema_version=V5, version=V5), 10).source_id == ["\0" * 100]
    with pytest.raises(MalformedBodyError, match="more than 10 spectra can need"):
        read_arrow(bomb(100_000, stated=True, schema_version=V5, version=V5), 10)


@pytest.mark.parametrize("more", [b"\0", b"\0" * 8, body(flux=lists(GOOD))], ids=["a byte", "zeros", "another stream"])
def test_what_follows_a_stream_is_refused(more: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="follow its end"):
        read_arrow(body(flux=lists(GOOD)) + more, 20)


@pytest.mark.parametrize("names", [[5.85e18, 7.0], ["7", "5.85e18"]])
@pytest.mark.parametrize("lenient", [True, False])
def test_float_identifiers_are_refused_with_the_one_message(names: list[Any], lenient: bool) -> None:
    content = body(source_id=pa.array(names), flux=lists(np.ones((2, DR3.samples))))
    with pytest.raises(InvalidTableError) as caught:
        read_arrow(content, 10, lenient=lenient)
    assert caught.value.message == FLOAT_IDS
