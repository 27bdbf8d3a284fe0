import json

import pytest

from gaia_redshift.errors import MAX_DETAILS, Detail, InvalidRequestError


@pytest.mark.parametrize("mark", ["a", '"', "\\", "\0", "\n", "é", "\U0001f52d", "\ud800", "\u202e"])
def test_an_error_is_small_and_printable_whatever_it_repeats(mark: str) -> None:
    long = mark * 5_000_000
    error = InvalidRequestError(f"what is {long}", [Detail(f"spectra[{long}]", long)] * 50)
    text = json.dumps(error.body(), ensure_ascii=False)
    assert len(text.encode()) <= 8192
    assert error.body()["error"]["details"]  # type: ignore[index]
    assert json.loads(text)["error"]["message"].isprintable()


def test_a_usual_error_is_told_as_it_is() -> None:
    details = [Detail(f"spectra[{number}].flux[3]", "Input should be a finite number") for number in range(30)]
    body = InvalidRequestError("the request does not match the schema in 30 places", details).body()
    assert body["error"]["message"] == "the request does not match the schema in 30 places"  # type: ignore[index]
    assert len(body["error"]["details"]) == MAX_DETAILS  # type: ignore[index]
