"""GaiaXPy's own simulator of spectra, once it has one: what is missing, and what it gives. Imports `instrument`.

**Its interface is not public yet.** It is announced for Gaia DR4 (gaia-dpci/GaiaXPy#151); GaiaXPy 2.1.5 has none.
`_NAME` and `call` are a guess after `gaiaxpy.convert` and `gaiaxpy.calibrate`, and the only places to change when it
is out: a function `simulate` takes a table with arrays ``wavelength`` in nm and ``flux`` in W m-2 nm-1, and returns a
table with the archive's columns of coefficients.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.spectra import RELEASES
from training.simulation.instrument import BANDS, RELEASE, Band, FloatArray, coefficient_count, kept_matrix

_NAME = "simulate"

Table: TypeAlias = Any
"""A DataFrame; pandas has no types."""


def missing() -> str | None:
    """Return in one line why GaiaXPy cannot simulate here, or None if it can."""
    if find_spec("gaiaxpy") is None:
        return "GaiaXPy is not installed: pip install gaiaxpy"
    package = _package()
    if callable(getattr(package, _NAME, None)):
        return None
    version = getattr(package, "__version__", "of unknown version")
    return f"GaiaXPy {version} has no simulator: it is announced for Gaia DR4 (gaia-dpci/GaiaXPy#151)"


def simulate(wavelength_nm: FloatArray, light: FloatArray, release: str = RELEASE) -> dict[Band, FloatArray]:
    """Return the noise-free samples that GaiaXPy simulates of point sources, on a release's grid.

    The light is in W m-2 nm-1, shape (n, w) at wavelengths of shape (w,); the samples are in e-/s, by band of shape (n,
    kept samples). Raises MissingDependencyError if GaiaXPy has no simulator, or its answer is not what is guessed here.
    """
    if why := missing():
        raise MissingDependencyError(why)
    try:
        answer = call(getattr(_package(), _NAME), wavelength_nm, light, release)
    except Exception as error:  # whatever a function of another form raises
        raise _unlike(f"{type(error).__name__}: {error}") from error
    return {band: _coefficients(answer, band, len(light), release) @ kept_matrix(band, release) for band in BANDS}


def call(function: Callable[..., Table], wavelength_nm: FloatArray, light: FloatArray, release: str) -> Table:
    """Ask GaiaXPy for spectra: the guess at its interface. Returns its table, columns by name."""
    import pandas as pd

    rows = {"wavelength": [wavelength_nm] * len(light), "flux": list(light)}
    table = pd.DataFrame({"source_id": np.arange(1, len(light) + 1), **rows})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(table, release=RELEASES[release].schema, save_file=False)


def _coefficients(answer: Table, band: Band, rows: int, release: str) -> FloatArray:
    """Return one band's coefficients, shape (rows, coefficients), of GaiaXPy's answer; refuse any other answer."""
    name, count = RELEASES[release].coefficient_columns[BANDS.index(band)], coefficient_count(band, release)
    try:
        found = np.array([np.asarray(row, np.float64) for row in answer[name]])
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise _unlike(f"it has no column {name} of numbers") from error
    if found.shape != (rows, count):
        raise _unlike(f"{name} has the shape {found.shape}, not {(rows, count)} as in {release}")
    return found


def _unlike(how: str) -> MissingDependencyError:
    return MissingDependencyError(
        f"GaiaXPy's simulator answers otherwise than was guessed before it was public: {how}. Mend `call` in "
        "training/simulation/gaiaxpy_simulator.py"
    )


def _package() -> ModuleType:
    """Return GaiaXPy, which turns matplotlib's TeX on when it is imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = import_module("gaiaxpy")
        if find_spec("matplotlib") is not None:
            import_module("matplotlib").rcParams["text.usetex"] = False
    return package
