"""Reading JSON leniently: spectra are checked one by one, like rows of a table. Imports `arrays`, `keys`, `spectra`.

Wrong numbers give an error for their spectrum only; anything else that does not fit the schema, such as an unknown key,
is left to the schema, which refuses the request.
"""

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from pydantic_core import from_json

from app.wire.arrays import too_many
from app.wire.keys import count_keys, refuse_duplicate_keys
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.spectra import (
    DR3,
    LARGEST_EBV,
    FloatArray,
    Problem,
    SpectrumBatch,
    ebv_problem,
    is_float_text,
    narrow,
    wrong_ebv,
)

_NUMBERS = frozenset({float, int})
_BANDS = ("flux", "bp", "rp")
_LENGTHS = {**DR3.lengths, "flux": (DR3.samples,)}


def read_leniently(body: bytes, max_spectra: int) -> tuple[SpectrumBatch, PredictOptions] | None:
    """Read a body with ``"rows": "lenient"``; return None if it has not, or if the schema must validate it.

    Parameters
    ----------
    body : bytes
        JSON; ``NaN`` and ``Infinity`` are accepted as numbers.
    max_spectra : int
        Most spectra allowed.

    Raises
    ------
    InvalidRequestError
        If there are more spectra, or a duplicate key.
    """
    try:
        document = from_json(body, allow_inf_nan=True)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("rows") != "lenient":
        return None
    spectra = document.pop("spectra", None)
    if not isinstance(spectra, list) or not spectra:
        return None
    if len(spectra) > max_spectra:
        raise too_many(len(spectra), max_spectra)
    if not all(map(_well_formed, spectra)):
        return None
    try:
        options = PredictOptions.model_validate(document)
    except ValidationError:
        return None
    refuse_duplicate_keys(body, 1 + count_keys(document) + count_keys(spectra))
    problems: dict[int, Problem] = {}
    flux = np.zeros((len(spectra), DR3.samples), np.float32)
    for row, spectrum in enumerate(spectra):
        found = _read(spectrum)
        if isinstance(found, Problem):
            problems[row] = found
        else:
            flux[row] = found
    ebv = read_ebv(spectra)
    for row in () if ebv is None else np.flatnonzero(wrong_ebv(ebv)).tolist():
        problems.setdefault(row, ebv_problem(spectra[row]["ebv"]))
    read = SpectrumBatch(flux, as_text([spectrum.get("source_id") for spectrum in spectra]), problems)
    return (read if ebv is None else read.behind(ebv)), options


def _well_formed(spectrum: object) -> bool:
    """Return whether the schema accepts a spectrum's keys and identifier."""
    if type(spectrum) is not dict or not spectrum.keys() <= {"source_id", "ebv", *_BANDS}:
        return False
    both = spectrum.get("flux") is not None and (spectrum.get("bp") is not None or spectrum.get("rp") is not None)
    return plain_identifier(spectrum.get("source_id")) and not both


def read_ebv(spectra: list[dict[str, object]]) -> NDArray[np.float64] | None:
    """Return the E(B-V) of n spectra, NaN for none, infinite for what is not a number; None if no spectrum has one."""
    if not any(spectrum.get("ebv") is not None for spectrum in spectra):
        return None
    return np.array([_ebv(spectrum.get("ebv")) for spectrum in spectra])


def _ebv(value: object) -> float:
    if isinstance(value, float | int) and type(value) in _NUMBERS:
        return float(value) if abs(value) < LARGEST_EBV * 2 else np.inf
    return np.nan if value is None else np.inf


def _read(spectrum: dict[str, object]) -> FloatArray | Problem:
    """Return one spectrum's fluxes, shape (186,), or the reason why they cannot be used."""
    bands = {}
    for band in ("flux",) if spectrum.get("bp") is None and spectrum.get("rp") is None else ("bp", "rp"):
        samples = _samples(band, spectrum.get(band))
        if isinstance(samples, Problem):
            return samples
        bands[band] = samples
    return bands["flux"] if "flux" in bands else DR3.assemble(bands["bp"], bands["rp"])


def _samples(band: str, values: object) -> FloatArray | Problem:
    if values is None:
        return Problem("missing_value", f"{band} is empty")
    if type(values) is not list:
        return Problem("not_a_number", f"{band} is not a list of numbers")
    if len(values) not in _LENGTHS[band]:
        return Problem("ragged_row", f"{band} has {len(values)} samples, not {' or '.join(map(str, _LENGTHS[band]))}")
    wrong = next((index for index, value in enumerate(values) if type(value) not in _NUMBERS), None)
    if wrong is not None:
        return _no_number(f"{band}[{wrong}]", values[wrong])
    try:
        return numbers(values)
    except OverflowError:
        return Problem("not_finite", f"{band} holds an integer too large for a float: every flux must be finite")


def _no_number(at: str, value: object) -> Problem:
    if value is None:
        return Problem("missing_value", f"{at} is empty")
    text = repr(value[:40]) if isinstance(value, str) else f"of the type {type(value).__name__}"
    return Problem("not_a_number", f"{at} is {text}, which is not a number")


def numbers(values: object) -> FloatArray:
    """Return numbers as float32; numbers beyond its range become infinite."""
    return narrow(np.asarray(values, dtype=np.float64))


def plain_identifier(value: object) -> bool:
    """Return whether the schema accepts this as an identifier, or as None."""
    if type(value) is int:
        return -(2**63) <= value < 2**64
    return value is None or (type(value) is str and len(value) <= 256 and not is_float_text(value))


def as_text(identifiers: list[object]) -> list[str | None] | None:
    """Return identifiers as text, as in JSON answers; None if no spectrum has one."""
    if not any(value is not None for value in identifiers):
        return None
    return [None if value is None else str(value) for value in identifiers]
