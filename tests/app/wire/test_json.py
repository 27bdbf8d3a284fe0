import json
import tracemalloc
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.wire import json as reading
from app.wire.json import read_request
from app.wire.schemas import PredictRequest
from gaia_redshift.errors import InvalidRequestError, MalformedBodyError
from gaia_redshift.spectra import DR3, FLOAT_IDS

GOOD = [round(0.1 * number, 3) for number in range(DR3.samples)]


def body(*spectra: Any, **options: Any) -> bytes:
    return json.dumps({"spectra": spectra, **options}).encode()


def with_flux(position: int, value: Any) -> list[Any]:
    return [value if index == position else flux for index, flux in enumerate(GOOD)]


def refusal(content: bytes, kind: type = InvalidRequestError) -> list[tuple[str, str]]:
    with pytest.raises(kind) as caught:
        read_request(content, 1000)
    return [(detail.at, detail.message) for detail in caught.value.details]


def test_fluxes_and_identifiers_arrive_in_order() -> None:
    batch, options = read_request(body({"flux": GOOD, "source_id": 2**63 + 1}, {"flux": GOOD[::-1]}), 10)
    assert batch.flux.tolist() == np.array([GOOD, GOOD[::-1]], np.float32).tolist()
    assert batch.source_id == ["9223372036854775809", None]
    assert (options.model, options.prior, options.pdf) == (None, "survey", False)


def test_no_identifiers_means_none_at_all() -> None:
    assert read_request(body({"flux": GOOD}), 10)[0].source_id is None


def test_both_band_forms_give_the_same_fluxes_as_the_truncated_vector() -> None:
    edge = [999.0] * 120
    bp = edge[:34] + GOOD[:80] + edge[:6]
    rp = edge[:4] + GOOD[80:] + edge[:10]
    spectra = ({"flux": GOOD}, {"bp": GOOD[:80], "rp": GOOD[80:]}, {"bp": bp, "rp": rp}, {"bp": bp, "rp": GOOD[80:]})
    flux = read_request(body(*spectra), 10)[0].flux
    assert flux.shape == (4, DR3.samples)
    assert (flux == flux[0]).all()


@pytest.mark.parametrize("value", ["1.5", True, False, None, [1], {}, ""])
@pytest.mark.parametrize("position", [0, 3, 185])
def test_anything_but_a_number_is_refused_at_its_exact_position(value: Any, position: int) -> None:
    content = body({"flux": GOOD}, {"flux": with_flux(position, value)})
    assert [at for at, _ in refusal(content)] == [f"spectra[1].flux[{position}]"]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400"])
def test_numbers_that_are_not_finite_are_refused_at_their_position(number: str) -> None:
    content = body({"flux": with_flux(3, "HERE")}).replace(b'"HERE"', number.encode())
    assert refusal(content) == [("spectra[0].flux[3]", "Input should be a finite number")]


def test_an_integer_too_large_for_any_float_is_refused_with_its_position() -> None:
    content = body({"flux": with_flux(3, "HERE")}).replace(b'"HERE"', b"1" + b"0" * 400)
    assert [at for at, _ in refusal(content)] == ["spectra[0].flux[3]"]


@pytest.mark.parametrize("length", [0, 1, 185, 187])
def test_a_wrong_length_is_refused_with_the_right_one(length: int) -> None:
    ((at, message),) = refusal(body({"flux": (GOOD * 2)[:length]}))
    assert at == "spectra[0].flux"
    assert "186" in message


@pytest.mark.parametrize(
    ("spectrum", "at", "message"),
    [
        ({}, "spectra[0]", "either flux, or bp and rp"),
        ({"flux": GOOD, "bp": GOOD[:80], "rp": GOOD[80:]}, "spectra[0]", "either flux, or bp and rp"),
        ({"bp": GOOD[:80]}, "spectra[0]", "one of them is missing"),
        ({"rp": GOOD[80:]}, "spectra[0]", "one of them is missing"),
        ({"bp": GOOD[:81], "rp": GOOD[80:]}, "spectra[0]", "bp needs 80 or 120 samples, not 81"),
        ({"bp": GOOD[:80], "rp": GOOD[:107]}, "spectra[0]", "rp needs 106 or 120 samples, not 107"),
        ({"bp": GOOD[:79], "rp": GOOD[80:]}, "spectra[0].bp", "bp needs 80 or 120 numbers, not 79"),
        ({"bp": GOOD[:80], "rp": GOOD[:121]}, "spectra[0].rp", "rp needs 106 or 120 numbers, not 121"),
        ({"flux": GOOD, "redshift": 0.1}, "spectra[0].redshift", "not permitted"),
        ({"flux": GOOD, "source_id": 1.5}, "spectra[0].source_id", FLOAT_IDS),
        ({"flux": GOOD, "source_id": True}, "spectra[0].source_id", "valid"),
        ({"flux": GOOD, "source_id": "x" * 257}, "spectra[0].source_id", "at most 256"),
        ({"flux": "1,2,3"}, "spectra[0].flux", "valid array"),
        (7, "spectra[0]", "object"),
    ],
)
def test_each_broken_spectrum_is_refused_at_its_place(spectrum: Any, at: str, message: str) -> None:
    ((found, text),) = refusal(body(spectrum))
    assert found == at
    assert message in text


@pytest.mark.parametrize(
    ("content", "at"),
    [
        (b"{}", "spectra"),
        (b'{"spectra": []}', "spectra"),
        (b'{"spectra": {}}', "spectra"),
        (b"[]", "body"),
        (b"1", "body"),
        (body({"flux": GOOD}, model=5), "model"),
        (body({"flux": GOOD}, prior="none"), "prior"),
        (body({"flux": GOOD}, pdf="yes"), "pdf"),
        (body({"flux": GOOD}, extra=1), "extra"),
    ],
)
def test_each_broken_document_is_refused_at_its_place(content: bytes, at: str) -> None:
    assert [found for found, _ in refusal(content)] == [at]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"PK\x03\x04", b"[" * 100_000, b'{"spectra": [1,]}'])
def test_what_is_not_json_is_malformed(content: bytes) -> None:
    assert refusal(content, MalformedBodyError) == []


def test_an_invalid_body_gets_a_small_reply() -> None:
    content = body(*({"flux": [None] * DR3.samples} for _ in range(900)))
    details = refusal(content)
    assert len(details) == 20
    assert sum(len(at) + len(message) for at, message in details) < 2000


def test_more_spectra_than_allowed_are_refused() -> None:
    read_request(body(*[{"flux": GOOD}] * 3), 3)
    for spectrum in ({"flux": GOOD}, {"bp": GOOD[:80], "rp": GOOD[80:]}):
        with pytest.raises(InvalidRequestError, match="at most 3"):
            read_request(body(*[spectrum] * 4), 3)


def test_a_plain_request_never_goes_to_the_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_judge", None)
    batch, options = read_request(body({"flux": GOOD, "source_id": "a"}, model="tiny", prior="flat", pdf=True), 10)
    assert len(batch) == 1
    assert (options.model, options.prior, options.pdf) == ("tiny", "flat", True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["flux", "bp", "model"]), inner),
    max_leaves=10,
)
numbers = st.lists(st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6), min_size=DR3.samples, max_size=DR3.samples)
spectrum = st.fixed_dictionaries(
    {"flux": numbers | anything}, optional={"source_id": anything, "bp": anything, "other": anything}
)
request = st.fixed_dictionaries(
    {"spectra": st.lists(spectrum | anything, max_size=3) | anything}, optional={"model": anything, "pdf": anything}
)


@given(request)
def test_the_fast_reader_accepts_only_what_the_schema_accepts_and_reads_the_same(document: Any) -> None:
    content = json.dumps(document).encode()
    try:
        expected = PredictRequest.model_validate_json(content)
    except ValueError:
        expected = None
    try:
        batch, options = read_request(content, 10)
    except (InvalidRequestError, MalformedBodyError):
        assert expected is None
        return
    assert expected is not None
    assert (options.model, options.pdf) == (expected.model, expected.pdf)
    fluxes = [one.flux for one in expected.spectra if one.flux is not None]
    assert len(fluxes) == len(batch)
    assert batch.flux.tolist() == np.array(fluxes, np.float64).astype(np.float32).tolist()


def test_the_fast_reader_refuses_a_boolean_that_numpy_would_take_for_a_number() -> None:
    assert np.array([1.0, True]).dtype == np.float64
    assert refusal(orjson.dumps({"spectra": [{"flux": with_flux(0, True)}]}))[0][0] == "spectra[0].flux[0]"


def test_a_long_text_among_the_fluxes_takes_no_more_memory_than_itself() -> None:
    text = "x" * 50_000
    hostile = orjson.dumps({"spectra": [{"flux": with_flux(0, text)}] * 10})
    tracemalloc.start()
    try:
        details = refusal(hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert details[0][0] == "spectra[0].flux[0]"
    assert peak < 20 * len(hostile)  # as NumPy's array of texts, each element as long as the longest: 740 times


_PRIOR = '"prior":{"redshift":[0,1],"density":[1,1]}'
_FLUX = f'"flux":{json.dumps(GOOD)}'


@pytest.mark.parametrize(
    "text",
    [
        f'{{"spectra":[{{{_FLUX},{_FLUX}}}]}}',
        f'{{"spectra":[{{"flux":[1],{_FLUX}}}]}}',
        f'{{"spectra":[{{{_FLUX},"source_id":1,"source_id":2}}]}}',
        f'{{"spectra":[{{{_FLUX},"source_id":":","source_\\u0069d":"\\":"}}]}}',
        f'{{"spectra":[{{{_FLUX}}}],"spectra":[{{{_FLUX}}}]}}',
        f'{{"spectra":[{{{_FLUX}}}],"model":"a","model":"b"}}',
        f'{{"spectra":[{{{_FLUX}}}],{_PRIOR},{_PRIOR}}}',
        f'{{"spectra":[{{{_FLUX}}}],{_PRIOR[:-1]},"density":[1,1]}}}}',
        f'{{"spectra":[{{"bp":{GOOD[:80]},"rp":{GOOD[80:]},"rp":{GOOD[80:]}}}]}}',
    ],
)
def test_a_key_that_is_given_twice_is_refused(text: str) -> None:
    assert refusal(text.encode()) == [("body", "each key may be given once")]


def test_a_key_that_is_given_twice_is_refused_in_lenient_requests_too() -> None:
    text = f'{{"rows":"lenient","spectra":[{{{_FLUX}}},{{"flux":null}},{{"flux":[{{"a":1}}]}},{{{_FLUX}%s}}]}}'
    assert len(read_request((text % "").encode(), 10)[0]) == 4
    assert refusal((text % ',"source_id":1,"source_id":2').encode()) == [("body", "each key may be given once")]


@pytest.mark.parametrize("name", [":", '":', '\\":\\"a\\":', "{a:1}", "é:"])
def test_a_colon_in_a_name_is_no_key(name: str) -> None:
    text = f'{{"spectra":[{{{_FLUX},"source_id":{json.dumps(name)}}}],"pdf":false,{_PRIOR}}}'
    assert read_request(text.encode(), 10)[0].source_id == [name]
    text = f'{{"spectra":[{{"bp":{GOOD[:80]},"rp":{GOOD[80:]},"source_id":{json.dumps(name)}}}],{_PRIOR}}}'
    assert read_request(text.encode(), 10)[0].source_id == [name]


@pytest.mark.parametrize(
    ("document", "at", "message"),
    [
        ({"flux": [1.0] * 186}, "flux", '{"spectra": [{"flux": ...}]}'),
        ({"spectra": [[1.0] * 186]}, "spectra[0]", '{"flux": [...]}'),
        ({"spectra": [{"flux": [1.0] * 185}]}, "spectra[0].flux", "flux needs 186 numbers, not 185"),
        ({"spectra": [{"flux": [1.0] * 240}]}, "spectra[0].flux", "as bp and rp, 120 each"),
        ({"spectra": [{"flux": [1.0] * 343}]}, "spectra[0].flux", "XP_SAMPLED"),
        ({"spectra": [{"bp": [1.0] * 79, "rp": [1.0] * 106}]}, "spectra[0].bp", "bp needs 80 or 120 numbers, not 79"),
    ],
)
def test_the_usual_mistakes_get_advice(document: Any, at: str, message: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request(orjson.dumps(document), 10)
    details = {detail.at: detail.message for detail in caught.value.details}
    assert message in details[at]


@pytest.mark.parametrize("name", [5.85e18, "5.85e18", "4295806720.0"])
@pytest.mark.parametrize("rows", ["strict", "lenient"])
def test_float_identifiers_are_refused_with_the_one_message(name: object, rows: str) -> None:
    document = {"spectra": [{"flux": GOOD}, {"flux": GOOD, "source_id": name}], "rows": rows}
    with pytest.raises(InvalidRequestError) as caught:
        read_request(orjson.dumps(document), 10)
    assert [(one.at, one.message) for one in caught.value.details] == [("spectra[1].source_id", FLOAT_IDS)]


def test_the_ebv_of_each_spectrum_arrives_and_none_is_none() -> None:
    batch, _ = read_request(body({"flux": GOOD, "ebv": 0.3}, {"flux": GOOD}, {"flux": GOOD, "ebv": None}), 10)
    np.testing.assert_array_equal(batch.ebv, [0.3, np.nan, np.nan])
    bands = {"bp": GOOD[:80], "rp": GOOD[80:]}
    np.testing.assert_array_equal(read_request(body({**bands, "ebv": 1}, bands), 10)[0].ebv, [1, np.nan])
    assert read_request(body({"flux": GOOD}, {"flux": GOOD, "ebv": None}), 10)[0].ebv is None


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (-0.1, "-0.1"), (3, "3"), ("0.1", "'0.1'"), (True, "of the type bool"), ([0.1], "of the type list"),
        (10**400, "too large"),
    ],
)  # fmt: skip
def test_a_wrong_ebv_is_refused_at_its_position_or_lenient_in_its_row(value: Any, shown: str) -> None:
    assert [at for at, _ in refusal(body({"flux": GOOD}, {"flux": GOOD, "ebv": value}))] == ["spectra[1].ebv"]
    batch, _ = read_request(body({"flux": GOOD}, {"flux": GOOD, "ebv": value}, rows="lenient"), 10)
    assert {row: problem.code for row, problem in batch.problems.items()} == {1: "invalid_ebv"}
    assert batch.problems[1].message == f"ebv is {shown}: it must be a number from 0 to 1 mag"


def test_as_many_spectra_as_are_allowed_may_all_have_every_key() -> None:
    whole = {"source_id": 1, "bp": [1] * 120, "rp": [1] * 120, "ebv": 0.1}
    reading._refuse_bomb(body(*[whole] * 4100), 4100)  # more than what the rest of a request may hold
