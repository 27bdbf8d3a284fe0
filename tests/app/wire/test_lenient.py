import json
from typing import Any

import numpy as np
import pytest

from app.wire.json import read_request
from gaia_redshift.errors import InvalidRequestError
from gaia_redshift.spectra import DR3

GOOD = [round(0.1 * number, 3) for number in range(DR3.samples)]


def body(*spectra: Any, rows: str = "lenient", **options: Any) -> bytes:
    return json.dumps({"spectra": spectra, "rows": rows, **options}).encode()


def with_flux(position: int, value: Any) -> list[Any]:
    return [value if index == position else flux for index, flux in enumerate(GOOD)]


@pytest.mark.parametrize(
    ("spectrum", "code", "message"),
    [
        ({"flux": with_flux(3, None)}, "missing_value", "flux[3] is empty"),
        ({"flux": with_flux(3, "1.5")}, "not_a_number", "flux[3] is '1.5', which is not a number"),
        ({"flux": with_flux(3, True)}, "not_a_number", "flux[3] is of the type bool, which is not a number"),
        ({"flux": with_flux(3, [1])}, "not_a_number", "flux[3] is of the type list, which is not a number"),
        ({"flux": with_flux(3, 10**400)}, "not_finite", "an integer too large for a float"),
        ({"flux": with_flux(3, float("nan"))}, "not_finite", "flux[3] is nan"),
        ({"flux": with_flux(3, float("inf"))}, "not_finite", "flux[3] is inf"),
        ({"flux": GOOD[:185]}, "ragged_row", "flux has 185 samples, not 186"),
        ({"bp": GOOD[:80], "rp": GOOD[:107]}, "ragged_row", "rp has 107 samples, not 106 or 120"),
        ({"bp": GOOD[:80], "rp": [*GOOD[:105], None]}, "missing_value", "rp[105] is empty"),
        ({"bp": GOOD[:80]}, "missing_value", "rp is empty"),
        ({"flux": None}, "missing_value", "flux is empty"),
        ({}, "missing_value", "flux is empty"),
        ({"flux": "1,2,3"}, "not_a_number", "flux is not a list"),
    ],
)
def test_what_is_wrong_with_a_spectrum_costs_that_spectrum(spectrum: Any, code: str, message: str) -> None:
    batch, options = read_request(body({"flux": GOOD, "source_id": 7}, spectrum, {"flux": GOOD}, prior="flat"), 10)
    assert options.prior == "flat"
    batch = batch.checked()
    assert list(batch.problems) == [1]
    assert batch.problems[1].code == code
    assert message in batch.problems[1].message
    assert batch.source_id == ["7", None, None]
    assert batch.flux[[0, 2]].tolist() == np.array([GOOD, GOOD], np.float32).tolist()


@pytest.mark.parametrize(
    ("spectrum", "at"),
    [
        ({"fulx": GOOD}, "spectra[1].fulx"),
        ({"flux": GOOD, "source_id": 1.5}, "spectra[1].source_id"),
        ({"flux": GOOD, "bp": GOOD[:80], "rp": GOOD[80:]}, "spectra[1]"),
        (7, "spectra[1]"),
    ],
)
def test_an_unknown_structure_is_refused_in_lenient_bodies_too(spectrum: Any, at: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request(body({"flux": GOOD}, spectrum), 10)
    assert at in [detail.at for detail in caught.value.details]


def test_json_is_strict_unless_it_asks_for_more() -> None:
    for content in (body({"flux": with_flux(3, None)}, rows="strict"), body({"flux": with_flux(3, "lenient")}, rows=1)):
        with pytest.raises(InvalidRequestError):
            read_request(content, 10)


def test_lenient_bodies_have_the_limits_of_strict_ones() -> None:
    with pytest.raises(InvalidRequestError, match="at most 3"):
        read_request(body(*[{"flux": None}] * 4), 3)
    with pytest.raises(InvalidRequestError):
        read_request(body(), 3)


def test_both_bands_are_assembled_in_lenient_bodies_too() -> None:
    bp, rp = np.full(120, 9.0), np.full(120, 9.0)
    bp[34:114], rp[4:110] = GOOD[:80], GOOD[80:]
    batch, _ = read_request(body({"bp": bp.tolist(), "rp": rp.tolist()}, {"flux": None}), 10)
    assert batch.flux[0].tolist() == np.array(GOOD, np.float32).tolist()


def test_an_unknown_key_is_refused_with_the_nearest_known_one() -> None:
    for content, message in (
        (body({"flux": GOOD}, piror="flat"), "did you mean prior?"),
        (body({"fulx": GOOD}), "did you mean flux?"),
    ):
        with pytest.raises(InvalidRequestError) as caught:
            read_request(content, 10)
        assert any(message in detail.message for detail in caught.value.details)


@pytest.mark.parametrize("identifier", [5.85e18, 1.5, 5853498713190525696.0])
def test_a_float_identifier_is_told_why(identifier: float) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read_request(json.dumps({"spectra": [{"flux": GOOD, "source_id": identifier}]}).encode(), 10)
    assert "64-bit ids" in caught.value.details[0].message
