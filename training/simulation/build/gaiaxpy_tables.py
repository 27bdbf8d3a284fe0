"""What gaiaxpy ships of Gaia's BP/RP instrument: dispersion, response and the two sets of bases.

gaiaxpy 2.1.5 (BSD-3, (c) DPAC, CU5, DPCI), after Montegriffo et al. 2023 (A&A 674, A3) and De Angeli et al.
2023 (A&A 674, A2).
"""

import warnings
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from training.simulation.instrument import hermite_functions

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import gaiaxpy
    import matplotlib as mpl
    from gaiaxpy.calibrator.external_instrument_model import ExternalInstrumentModel
    from gaiaxpy.converter.config import get_bands_config, parse_config
    from gaiaxpy.converter.converter import get_design_matrices

mpl.rcParams["text.usetex"] = False  # importing gaiaxpy turns it on

CONFIGURATION = Path(gaiaxpy.__file__).parent / "config"
BASES_FILE = "OptimisedCalibratedBases_BpId32_RpId37_withNormalisation.xml"
MODEL_VERSIONS = {"BP": "bpC03_v375wi", "RP": "rpC03_v142r"}

Band = Literal["BP", "RP"]
FloatArray = NDArray[np.float64]
Model: TypeAlias = Any
"""Something of gaiaxpy's, which has no types."""


def external_model(band: Band) -> Model:
    """Return gaiaxpy's instrument model of one photometer."""
    names = [f"{MODEL_VERSIONS[band]}_{part}.csv" for part in ("dispersion", "response", "bases")]
    return ExternalInstrumentModel.from_config_csv(*(str(CONFIGURATION / name) for name in names))


def pseudo_wavelength(band: Band, wavelength_nm: FloatArray) -> FloatArray:
    """Return the position u in pixels at which light of `wavelength_nm` falls."""
    return np.asarray(external_model(band).wl_to_pwl(wavelength_nm), dtype=np.float64)


def response(band: Band, wavelength_nm: FloatArray) -> FloatArray:
    """Return the dimensionless response, zero outside 310-1110 nm where the table ends."""
    inside = (wavelength_nm >= 310) & (wavelength_nm <= 1110)
    values = np.asarray(external_model(band).get_response(wavelength_nm), dtype=np.float64)
    return np.where(inside, np.maximum(values, 0), 0)


def basis_configuration(band: Band) -> dict[str, Any]:
    """Return the definition of the 55 bases of the internally calibrated mean spectra."""
    bands = get_bands_config(parse_config(str(CONFIGURATION / BASES_FILE)))
    part = bands.bpConfig if band == "BP" else bands.rpConfig
    return dict(part._asdict()) if hasattr(part, "_asdict") else dict(part)


def inverse_bases(band: Band, wavelength_nm: FloatArray) -> FloatArray:
    """Return the 55 SEDs (before response) that the 55 internal bases stand for, shape (55, n)."""
    bases = external_model(band).bases
    scale = (bases["normRangeMax"] - bases["normRangeMin"]) / (bases["pwlRangeMax"] - bases["pwlRangeMin"])
    offset = bases["normRangeMin"] - bases["pwlRangeMin"] * scale
    order = int(bases["nInverseBasesCoefficients"])
    functions = hermite_functions(order, pseudo_wavelength(band, wavelength_nm) * scale + offset)
    return np.asarray(bases["transformationMatrix"] @ (bases["inverseBasesCoefficients"] @ functions))


def design_matrix(band: Band, pseudo: FloatArray) -> FloatArray:
    """Return the bases of the mean spectra at pseudo-wavelengths, shape (55, len(pseudo)), as gaiaxpy has them."""
    ascending = np.argsort(pseudo)
    found = get_design_matrices(pseudo[ascending], parse_config(str(CONFIGURATION / BASES_FILE)))
    matrix = np.empty((len(found[band.lower()].get_design_matrix()), len(pseudo)))
    matrix[:, ascending] = found[band.lower()].get_design_matrix()
    return matrix
