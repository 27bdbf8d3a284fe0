"""Reading spectra from a JSON body. Imports `schemas`, `spectra` and `errors` of the project.

A plain valid body is read directly into an array. Any other body is validated by the schema, which accepts it or finds
the exact place of the error. A test checks that the fast path accepts nothing that the schema refuses.
"""

import re
from collections.abc import Mapping

import numpy as np
import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from app.wire.keys import STRING, refuse_duplicate_keys
from app.wire.lenient import as_text, numbers, plain_identifier, read_ebv, read_leniently
from app.wire.schemas import PredictRequest, Spectrum
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.errors import MAX_DETAILS, Detail, InvalidRequestError, MalformedBodyError, suggestion
from gaia_redshift.interpretation.prior import MOST_NODES
from gaia_redshift.spectra import DR3, FLOAT_IDS, FloatArray, SpectrumBatch, is_float_text, narrow, wrong_ebv
from gaia_redshift.spectra.shapes import wrong_shape


def read_request(body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictOptions]:
    """Read spectra and options from a JSON body.

    Parameters
    ----------
    body : bytes
        JSON in the shape of `PredictRequest`.
    max_spectra : int
        Most spectra allowed.

    Returns
    -------
    SpectrumBatch, PredictOptions

    Raises
    ------
    MalformedBodyError
        If the body is not JSON.
    InvalidRequestError
        If it does not fit the schema; details name positions such as ``spectra[17].flux[3]``.
    """
    if len(body) > _LARGE_BYTES:
        _refuse_bomb(body, max_spectra)
    try:
        document = orjson.loads(body)
        spectra = document.pop("spectra")
        options = PredictOptions.model_validate(document) if document else _DEFAULTS
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValidationError):
        return _judge(body, max_spectra)
    if not isinstance(spectra, list) or not 0 < len(spectra) <= max_spectra:
        return _judge(body, max_spectra)
    flux = _flux_fast(spectra)
    identifiers = [spectrum.get("source_id") for spectrum in spectra] if flux is not None else []
    ebv = read_ebv(spectra) if flux is not None else None
    if flux is None or not all(map(plain_identifier, identifiers)) or (ebv is not None and wrong_ebv(ebv).any()):
        return _judge(body, max_spectra)
    nested = document.get("prior")
    keys = 1 + len(document) + sum(map(len, spectra)) + (len(nested) if isinstance(nested, dict) else 0)
    refuse_duplicate_keys(body, keys)
    return SpectrumBatch(flux, as_text(identifiers), ebv=ebv), options


_LARGE_BYTES = 128 << 10
_MOST = {ord("["): 2, ord("{"): 1, ord(":"): 4, ord(","): 2 * DR3.bp.samples + 2}
"""Most occurrences of each character that one spectrum can have, outside of strings."""
_OPTIONS = 2 * MOST_NODES + 16
"""The same for the rest of a request; the largest part is a prior's table."""


def _refuse_bomb(body: bytes, max_spectra: int) -> None:
    """Raise if a body has more JSON structure than `max_spectra` spectra can have."""
    if holds_more(body, {mark: most * max_spectra + _OPTIONS for mark, most in _MOST.items()}):
        raise InvalidRequestError(
            f"the request has more structure than {max_spectra} spectra can have: send several requests, or a table",
            [Detail("spectra", f"at most {max_spectra} items")],
        )


def holds_more(body: bytes, most: Mapping[int, int]) -> bool:
    """Return whether JSON has more of some character outside of strings than allowed, before it is parsed.

    A parser makes up to 125 bytes of objects from one byte (measured: 16 MB of ``[[0]],`` took 2 GB), so a limit on
    the size of the body is not enough.
    """

    def too_many(text: bytes) -> bool:
        view = np.frombuffer(text, np.uint8)
        return any(np.count_nonzero(view == mark) > count for mark, count in most.items())

    return too_many(body) and too_many(STRING.sub(b"", body))


_DEFAULTS = PredictOptions()
_LARGEST_FLOAT = float(np.finfo(np.float32).max)
_NUMBERS = frozenset({float, int})
_FLUX_KEYS = frozenset({"flux", "source_id", "ebv"})


def _flux_fast(spectra: list[object]) -> FloatArray | None:
    """Return fluxes of shape (n, 186) if every spectrum has `flux`, of finite numbers, and no bands; else None."""
    rows = []
    for spectrum in spectra:
        if type(spectrum) is not dict or not spectrum.keys() <= _FLUX_KEYS:
            return None
        row = spectrum.get("flux")
        if type(row) is not list or len(row) != DR3.samples or not _NUMBERS.issuperset(map(type, row)):
            return None
        rows.append(row)
    try:
        values = np.array(rows, dtype=np.float64)
    except OverflowError:  # an integer beyond any float
        return None
    if np.abs(values).max() <= _LARGEST_FLOAT:  # false for what is not finite
        return values.astype(np.float32)
    return narrow(values) if np.isfinite(values).all() else None


def _judge(body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictOptions]:
    """Read the body with the schema, which finds the exact position of an error."""
    read = read_leniently(body, max_spectra) if b"lenient" in body else None
    if read is not None:
        return read
    try:
        request = PredictRequest.model_validate_json(body)
    except ValidationError as error:
        raise _explain(error) from error
    if len(request.spectra) > max_spectra:
        raise InvalidRequestError(
            f"{len(request.spectra)} spectra in one request: at most {max_spectra}; send several, or a table",
            [Detail("spectra", f"at most {max_spectra} items")],
        )
    nested = 0 if isinstance(request.prior, str) else len(type(request.prior).model_fields)
    given = len(request.model_fields_set) + sum(len(spectrum.model_fields_set) for spectrum in request.spectra)
    refuse_duplicate_keys(body, given + nested)
    rows = [
        numbers(spectrum.flux)
        if spectrum.flux is not None
        else DR3.assemble(numbers(spectrum.bp), numbers(spectrum.rp))
        for spectrum in request.spectra
    ]
    ebv = read_ebv([{"ebv": spectrum.ebv} for spectrum in request.spectra])
    return SpectrumBatch(np.stack(rows), as_text([s.source_id for s in request.spectra]), ebv=ebv), request


def _explain(error: ValidationError) -> MalformedBodyError | InvalidRequestError:
    problems = error.errors(include_url=False, include_context=False)
    if problems[0]["type"] == "json_invalid":
        return MalformedBodyError(f"the body is not JSON: {problems[0]['msg'].removeprefix('Invalid JSON: ')}")
    messages: dict[str, str] = {}
    for problem in problems:  # a wrong identifier gives two problems, as integer and as string, at one place
        at = _position(problem["loc"])
        if len(messages) >= MAX_DETAILS and at not in messages:
            messages[at] = ""  # counted only
            continue
        message = _message(problem)
        both = at in messages and message != messages[at]
        messages[at] = f"{messages[at]}, or: {message}" if both else message
    places = "1 place" if len(messages) == 1 else f"{len(messages)} places"
    details = [Detail(at, message) for at, message in messages.items() if message]
    return InvalidRequestError(f"the request does not match the schema in {places}", details)


def _message(problem: ErrorDetails) -> str:
    """Return the message for one place, with advice if there is some."""
    message = problem["msg"]
    place = problem["loc"]
    if place[:1] == ("spectra",) and place[2:3] == ("source_id",) and _is_float(problem["input"]):
        return FLOAT_IDS
    if problem["type"] == "extra_forbidden" and len(place) == 1 and place[0] in Spectrum.model_fields:
        return f'{message}: give it in a spectrum, {{"spectra": [{{"{place[0]}": ...}}]}}'
    if problem["type"] in {"too_short", "too_long"} and len(place) == 3 and place[0] == "spectra":
        return _length(str(place[2]), message)
    if problem["type"] == "model_type" and len(place) == 2:
        return f'{message}: {{"flux": [...]}}, or {{"bp": [...], "rp": [...]}}'
    if problem["type"] == "extra_forbidden":
        known = (Spectrum if problem["loc"][0] == "spectra" else PredictRequest).model_fields
        return f"{message}: {suggestion(str(problem['loc'][-1])[:80], known)}"
    return message.removeprefix("Value error, ")


def _is_float(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, str) and is_float_text(value))


_COUNT = re.compile(r"not (\d+)$")


def _length(band: str, message: str) -> str:
    """Return how many numbers a spectrum needs, with advice for a wrong number."""
    found = _COUNT.search(message)
    count = int(found[1]) if found else 0
    lengths = (DR3.samples,) if band == "flux" else DR3.lengths[band]
    wanted = f"{band} needs {' or '.join(map(str, lengths))} numbers, not {count}"
    if band == "flux" and count == DR3.untruncated:
        return f"{wanted}: give all 240 as bp and rp, 120 each, which the service truncates"
    advice = wrong_shape((1, count)) if band == "flux" and count in _KNOWN_LENGTHS else ""
    return f"{wanted}{': ' if advice else ''}{advice}"


_KNOWN_LENGTHS = (343, 110)
"""Lengths of XP_SAMPLED spectra and of the archive's coefficients."""


def _position(location: tuple[int | str, ...]) -> str:
    """Write a location as ``spectra[17].flux[3]``, without pydantic's names of union members."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(("constrained-", "int", "str", "prior-")):
            text += f".{part}" if text else part
    return text or "body"
