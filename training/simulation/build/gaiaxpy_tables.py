"""What gaiaxpy ships of Gaia's BP/RP instrument: dispersion, response and the two sets of bases.

gaiaxpy 2.1.5 (BSD-3, (c) DPAC, CU5, DPCI), after Montegriffo et al. 2023 (A&A 674, A3) and De Angeli et al.
2023 (A&A 674, A2).
"""

import warnings
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from training.simulation.instrument import Band, FloatArray, hermite_functions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import gaiaxpy
    import matplotlib as mpl
    from gaiaxpy.calibrator.external_instrument_model import ExternalInstrumentModel
    from gaiaxpy.converter.config import get_bands_config, parse_config
    from gaiaxpy.converter.converter import get_design_matrices

mpl.rcParams["text.usetex"] = False  # importing gaiaxpy turns it on

CONFIGURATION = Path(gaiaxpy.__file__).parent / "config"

Model: TypeAlias = Any
"""An instrument model of gaiaxpy, which has no types."""

FILES = {
    "Gaia DR3": {
        "bases": "OptimisedCalibratedBases_BpId32_RpId37_withNormalisation.xml",
        "BP": "bpC03_v375wi",
        "RP": "rpC03_v142r",
    }
}
"""By release, gaiaxpy's files in `CONFIGURATION`: the bases of the mean spectra, and what the names of each instrument
model's files begin with. A new release is one entry, once a GaiaXPy has its files."""


def files_of(release: str) -> dict[str, str]:
    """Return the entry of a release in `FILES`; if there is none, end the script and say what to do."""
    if release not in FILES:
        there = ", ".join(sorted(path.name for path in CONFIGURATION.glob("*.xml")))
        raise SystemExit(
            f"which of GaiaXPy {gaiaxpy.__version__}'s tables are those of {release} is not known: name them in FILES "
            f"of {Path(__file__).name}; there are the bases {there}"
        )
    return FILES[release]


@cache
def external_model(band: Band, release: str) -> Model:
    """Return gaiaxpy's instrument model of one photometer."""
    names = [f"{files_of(release)[band]}_{part}.csv" for part in ("dispersion", "response", "bases")]
    return ExternalInstrumentModel.from_config_csv(*(str(CONFIGURATION / name) for name in names))


def pseudo_wavelength(band: Band, wavelength_nm: FloatArray, release: str) -> FloatArray:
    """Return the position u in pixels at which light of `wavelength_nm` falls."""
    return np.asarray(external_model(band, release).wl_to_pwl(wavelength_nm), dtype=np.float64)


def response(band: Band, wavelength_nm: FloatArray, release: str) -> FloatArray:
    """Return the dimensionless response, zero outside 310-1110 nm where the table ends."""
    inside = (wavelength_nm >= 310) & (wavelength_nm <= 1110)
    values = np.asarray(external_model(band, release).get_response(wavelength_nm), dtype=np.float64)
    return np.where(inside, np.maximum(values, 0), 0)


def basis_configuration(band: Band, release: str) -> dict[str, Any]:
    """Return the definition of the bases of the internally calibrated mean spectra."""
    bands = get_bands_config(parse_config(str(CONFIGURATION / files_of(release)["bases"])))
    return dict(getattr(bands, f"{band.lower()}Config")._asdict())


def inverse_bases(band: Band, wavelength_nm: FloatArray, release: str) -> FloatArray:
    """Return the SEDs (before response) that the internal bases stand for, shape (coefficients, n)."""
    bases = external_model(band, release).bases
    scale = (bases["normRangeMax"] - bases["normRangeMin"]) / (bases["pwlRangeMax"] - bases["pwlRangeMin"])
    offset = bases["normRangeMin"] - bases["pwlRangeMin"] * scale
    order = int(bases["nInverseBasesCoefficients"])
    functions = hermite_functions(order, pseudo_wavelength(band, wavelength_nm, release) * scale + offset)
    return np.asarray(bases["transformationMatrix"] @ (bases["inverseBasesCoefficients"] @ functions))


def design_matrix(band: Band, pseudo: FloatArray, release: str) -> FloatArray:
    """Return gaiaxpy's bases of the mean spectra at pseudo-wavelengths, shape (coefficients, len(pseudo))."""
    ascending = np.argsort(pseudo)
    found = get_design_matrices(pseudo[ascending], parse_config(str(CONFIGURATION / files_of(release)["bases"])))
    return np.asarray(found[band.lower()].get_design_matrix())[:, np.argsort(ascending)]
