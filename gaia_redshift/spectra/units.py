"""Units of fluxes, as given by an option or declared by a file's columns. Imports numpy alone.

The models read e-/s per sample. GaiaXPy's `convert` gives e-/s per pixel: a sample is 0.33342 pixels wide in BP and
0.35680 in RP. Fluxes in W m-2 nm-1 belong to externally calibrated spectra, and are refused.
"""

import re
from typing import Literal, get_args

from gaia_redshift.spectra.grid import DR3, FloatArray, Grid

Unit = Literal["per_sample", "per_pixel"]
"""Units of fluxes, e-/s."""

UNITS: tuple[Unit, ...] = get_args(Unit)

FLUX_UNIT = (
    "e-/s per sample; of e-/s per pixel, as GaiaXPy's convert gives, a sample is "
    f"{DR3.bp.pixels:.5f} in BP and {DR3.rp.pixels:.5f} in RP"
)
"""Description of the unit, for the help of every option and field of fluxes."""

FROM_CALIBRATED = (
    "Fluxes in W m-2 nm-1 (XP_SAMPLED, or GaiaXPy's calibrate) are externally calibrated spectra: use the source's "
    "XP_CONTINUOUS spectrum, as it is or by gaiaxpy.convert on the grid of docs/explanation/grid.md"
)
"""Advice for fluxes after external calibration."""

_ELECTRONS = {"e", "electron", "electrons", "photoelectron", "photoelectrons"}
_SECONDS = {"s", "sec", "second", "seconds"}
_PIXELS = {"pix", "pixel", "pixels"}
_SAMPLES = {"sample", "samples", "bin", "bins"}
_JANSKYS = {"jy", "mjy", "ujy", "njy"}
_CALIBRATED = {"w", "watt", "erg", "j", "joule", "mag", "ab"} | _JANSKYS
_LENGTHS = {"m", "cm", "nm", "micron", "angstrom", "hz"}

_SCALE = re.compile(r"\s*(10\s*(?:\*\*|\^)\s*\(?[-+]?\d+\)?|10[-+]\d+|\d+\.?\d*(?:[eE][-+]?\d+)?)")
"""A number in front of a unit, as in ``1000 electron / s`` or ``10+3 e-/s``."""


def find_unit(text: str) -> Unit:
    """Return the unit that an option names, ``per_sample`` or ``per_pixel``; spaces or hyphens are accepted too.

    Raises
    ------
    ValueError
        If it is another unit; the message says what to do with such fluxes.
    """
    name = "_".join(_words(text))
    if (unit := {"sample": "per_sample", "pixel": "per_pixel"}.get(name, name)) in UNITS:
        return unit
    return declared_unit(text) or "per_sample"


def declared_unit(text: str) -> Unit | None:
    """Return the unit that a column declares; None if it does not say whether it is per sample or per pixel.

    Parameters
    ----------
    text : str
        In any spelling of FITS, VOTable, CDS or astropy: ``e-/s``, ``electron.s-1.pix-1``, ``W.m**-2.nm**-1``.

    Raises
    ------
    ValueError
        If fluxes in that unit cannot be read; the message says what to do.
    """
    words = set(_words(text)) - {"per", "dimensionless", "unitless"}
    if not words:
        return None
    if (scale := _SCALE.match(text)) and scale[1] not in {"1", "1.", "1.0"}:
        raise ValueError(
            f"the unit {text.strip()[:40]!r} is not read, because it is scaled by {scale[1]}: convert the fluxes to "
            f"e-/s, {' or '.join(UNITS)}"
        )
    if words & _CALIBRATED:
        raise ValueError(f"the unit {text.strip()[:40]} is not read. {FROM_CALIBRATED}")
    if words & _ELECTRONS and words & _SECONDS and words <= _ELECTRONS | _SECONDS | _PIXELS | _SAMPLES:
        return "per_pixel" if words & _PIXELS else "per_sample" if words & _SAMPLES else None
    raise ValueError(f"the unit {text.strip()[:40]!r} is not read: fluxes must be in e-/s, {' or '.join(UNITS)}")


def is_flux_unit(text: str) -> bool:
    """Return whether a text is a unit of fluxes, one that is read or not, and nothing else."""
    words = set(_words(text)) - {"per"}
    known = _ELECTRONS | _SECONDS | _PIXELS | _SAMPLES | _CALIBRATED | _LENGTHS
    read = words & _ELECTRONS and words & _SECONDS
    whole = len(words) > 1 or words <= _JANSKYS  # any other word alone may be a name: W, E, mag
    return bool(words) and words <= known and whole and bool(read or words & _CALIBRATED)


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def per_sample(flux: FloatArray, unit: Unit | None, grid: Grid = DR3) -> FloatArray:
    """Convert fluxes of shape (n, samples of the grid) from `unit` to e-/s per sample; None is per sample."""
    return flux * grid.pixels if unit == "per_pixel" else flux
