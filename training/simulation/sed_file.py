"""A file with anybody's spectrum: two columns of text, or a table of a format that the library reads."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import Detail, InvalidInputError
from training.simulation.instrument import FloatArray
from training.simulation.sed import Sed

_LEAST_POINTS = 10
_WAVELENGTHS = ("wavelength", "lambda", "wave", "wl", "lam", "loglam")
_FLUXES = ("flux", "f_lambda", "flam", "flux_lambda", "f_nu", "fnu", "flux_nu", "llam", "lnu")

FluxKind = Literal["f_lambda", "f_nu"]


def read_sed(path: Path, wavelength_unit: str | None = None, flux_unit: str | None = None) -> Sed:
    """Read a spectral energy distribution.

    Parameters
    ----------
    path : Path
        Two columns of numbers as text, or a table (CSV, ECSV, FITS, VOTable, Parquet) whose columns have names such as
        ``wavelength`` and ``flux``, ``f_lambda`` or ``f_nu``; of others the first two.
    wavelength_unit : str, optional
        ``Angstrom``, ``nm`` or any length of astropy's; the column's own if absent, else Angstrom.
    flux_unit : str, optional
        ``f_lambda``, ``f_nu``, or a unit of astropy's such as ``erg / (s cm2 Hz)``; the column's own, or what its name
        says, if absent, else ``f_lambda``.

    Raises
    ------
    InvalidInputError
        If it cannot be read, a unit is unknown, a number is not finite or negative, or wavelengths do not increase.
    """
    names, units, values = _columns(path)
    wavelength, flux = values
    said = wavelength_unit or units[0]
    factor = _length(said or "Angstrom")
    kind = _flux_kind(flux_unit or units[1], names[1])
    _refuse(path, wavelength, ~np.isfinite(wavelength) | (wavelength <= 0), names[0], "is not a positive wavelength")
    _refuse(path, flux, ~np.isfinite(flux), names[1], "is not finite")
    _refuse(path, flux, flux < 0, names[1], "is negative: set noise below zero to zero")
    falling = np.append(False, np.diff(wavelength) <= 0)
    _refuse(path, wavelength, falling, names[0], "does not exceed the one before: sort the rows by wavelength")
    if len(wavelength) < _LEAST_POINTS:
        raise InvalidInputError(f"{path.name} has {len(wavelength)} rows: a spectrum needs {_LEAST_POINTS} at least")
    wavelength_nm = wavelength * factor
    if kind == "f_nu":
        flux = flux / wavelength_nm**2
    assumed = "" if said else " (assumed)"
    sentence = (
        f"{path.name}: {len(flux)} points, {names[0]} in {said or 'Angstrom'}{assumed}, {wavelength_nm[0]:.4g} to "
        f"{wavelength_nm[-1]:.4g} nm; {names[1]} as {kind}{'' if flux_unit or units[1] else ' (assumed)'}"
    )
    return Sed(wavelength_nm, flux / flux.max() if flux.max() > 0 else flux, sentence)


def _refuse(path: Path, values: FloatArray, wrong: NDArray[np.bool_], name: str, why: str) -> None:
    if wrong.any():
        rows = np.flatnonzero(wrong)
        details = [Detail(f"{name}[{row}]", f"{values[row]:g} {why.partition(':')[0]}") for row in rows[:20].tolist()]
        raise InvalidInputError(f"{path.name}: {name}[{rows[0]}] = {values[rows[0]]:g} {why}", details)


Columns = tuple[tuple[str, str], tuple[str, str], tuple[FloatArray, FloatArray]]
"""Names, units and numbers of wavelength and flux."""


def _columns(path: Path) -> Columns:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}") from error
    plain = _plain(content)
    if plain is not None:
        return ("wavelength", "flux"), ("", ""), (plain[:, 0], plain[:, 1])
    from gaia_redshift.tables.formats import opened
    from gaia_redshift.tables.table import UNIT, about

    with path.open("rb") as file, opened(file, path.name) as table:
        names = [field.name.strip() for field in table.schema]
        lowered = [name.lower() for name in names]
        if len(names) < 2:
            raise InvalidInputError(f"{path.name} has one column: a spectrum has two, wavelength and flux")
        first = next((lowered.index(name) for name in _WAVELENGTHS if name in lowered), 0)
        second = next((lowered.index(name) for name in _FLUXES if name in lowered), 1 if first == 0 else 0)
        if lowered[first] == "loglam":
            raise InvalidInputError(f"{path.name}: loglam is the logarithm of a wavelength: write 10**loglam")
        units = (about(table.schema.field(first), UNIT), about(table.schema.field(second), UNIT))
        parts = [block.columns.columns for block in table.blocks([first, second], [first, second])]
    numbers = []
    for index, name in enumerate((names[first], names[second])):
        try:
            joined = [np.asarray(part[index].cast("float64"), np.float64) for part in parts]
        except (ValueError, TypeError, NotImplementedError):
            raise InvalidInputError(f"{path.name}: the column {name} does not hold numbers") from None
        numbers.append(np.concatenate(joined) if joined else np.empty(0))
    return (names[first], names[second]), units, (numbers[0], numbers[1])


def _plain(content: bytes) -> FloatArray | None:
    """Return two or more columns of bare numbers, ``#`` before comments; None if it is anything else."""
    try:
        lines = content.decode("utf-8-sig").replace(",", " ").splitlines()
        cells = [line.partition("#")[0].split() for line in lines]
        rows = [[float(first), float(second)] for first, second, *_ in filter(None, cells)]
    except ValueError:
        return None
    return np.array(rows, np.float64) if rows else None


def _unit(text: str) -> Any:
    from astropy import units

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return units.Unit(text)
        except (ValueError, TypeError):
            return None


def _length(text: str) -> float:
    """Return how many nm one unit of length has."""
    known = {"a": "Angstrom", "aa": "Angstrom", "ang": "Angstrom", "angstroms": "Angstrom", "micron": "um"}
    unit = _unit(known.get(text.strip().lower(), text.strip()))
    if unit is None or unit.physical_type != "length":
        raise InvalidInputError(f"--wavelength-unit {text[:40]!r} is not a unit of wavelength: Angstrom, nm or um")
    return float(unit.to("nm"))


def _flux_kind(text: str, name: str) -> FluxKind:
    """Return per what the fluxes are, by a word, a unit or the column's name."""
    word = (text or name).strip().lower().replace("-", "_")
    if not text or word in {"f_lambda", "flam", "flambda", "f_nu", "fnu"}:
        return "f_nu" if word in {"f_nu", "fnu", "flux_nu", "lnu"} else "f_lambda"
    unit = _unit(text)
    if unit is not None:
        kinds = str(unit.physical_type)
        if "wav" in kinds:
            return "f_lambda"
        if "spectral flux density" in kinds:
            return "f_nu"
        if kinds == "dimensionless":
            return "f_lambda"
    raise InvalidInputError(
        f"--flux-unit {text[:40]!r} is not a flux per wavelength or frequency: f_lambda, f_nu, or a unit such as "
        "'erg / (s cm2 Angstrom)'"
    )
