"""gaia-redshift: redshifts of galaxies from Gaia BP/RP spectra.

>>> import gaia_redshift
>>> gaia_redshift.predict(table)  # doctest: +SKIP

`table` is an array of spectra, or a table of pyarrow, pandas, polars or astropy; a table of the same kind is returned,
with columns added. Fluxes are in e-/s per sample, or with ``unit="per_pixel"`` as GaiaXPy gives them. `__all__` lists
the public interface; each part is loaded when it is first used.
"""

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gaia_redshift.client import AsyncClient, Client
    from gaia_redshift.predictor import Predictor
    from gaia_redshift.tables.files import read

    __version__: str

__all__ = ["AsyncClient", "Client", "Predictor", "__version__", "load", "predict", "read"]

# ONNX Runtime's wheels have sent telemetry since 1.29, unless it is switched off before the first import.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

_PLACES = {
    "AsyncClient": "gaia_redshift.client",
    "Client": "gaia_redshift.client",
    "Predictor": "gaia_redshift.predictor",
    "read": "gaia_redshift.tables.files",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":  # only an installed package has a version; a folder on Python's path has none
        from importlib.metadata import version

        return version("gaia-redshift")
    if name not in _PLACES:
        raise AttributeError(f"module 'gaia_redshift' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


@cache
def load(model: str | Path = "default") -> "Predictor":
    """Return the predictor of a model, the same one for the same name; see `Predictor` for the errors raised.

    Parameters
    ----------
    model : str or Path
        ``name``, ``name@version``, or the path of a bundle's folder.

    Returns
    -------
    Predictor
    """
    from gaia_redshift.predictor import Predictor

    return Predictor(model)


def predict(
    table: object,
    *,
    model: str | Path = "default",
    prior: Any = "survey",
    pdf: bool = False,
    unit: object = None,
    ebv: object = None,
) -> Any:
    """Return the table with redshifts added; see `Predictor.__call__` for the errors raised.

    Parameters
    ----------
    table : array, table or SpectrumBatch
        Spectra in e-/s per sample, in any form that `Predictor.__call__` takes.
    model : str or Path
        As for `load`.
    prior, pdf, unit, ebv
        As for `Predictor.__call__`.

    Returns
    -------
    the same kind of table
    """
    return load(model)(table, prior=prior, pdf=pdf, unit=unit, ebv=ebv)
