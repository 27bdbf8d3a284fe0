"""Units that fluxes come in, by option or as a file's columns declare them. Imports numpy alone.

The models read e-/s per sample. GaiaXPy's `convert` gives e-/s per pixel: a sample is 0.33342 pixels wide in BP and
0.35680 in RP. Fluxes in W m-2 nm-1 are another thing, spectra after Gaia's external calibration, and are refused.
"""

import re
from typing import Literal, get_args

from gaia_redshift.spectra.grid import DR3, FloatArray, Grid

Unit = Literal["per_sample", "per_pixel"]
"""Of fluxes in e-/s."""

UNITS: tuple[Unit, ...] = get_args(Unit)

FLUX_UNIT = (
    "e-/s per sample; of e-/s per pixel, as GaiaXPy's convert gives, a sample is "
    f"{DR3.bp.pixels:.5f} in BP and {DR3.rp.pixels:.5f} in RP"
)
"""What every place that asks for fluxes says of their unit."""

FROM_CALIBRATED = (
    "Fluxes in W m-2 nm-1 (XP_SAMPLED, or GaiaXPy's calibrate) are spectra of another kind: take the source's "
    "XP_CONTINUOUS spectrum, and gaiaxpy.convert on the grid of docs/explanation/grid.md"
)
"""The way out for fluxes after external calibration."""

_ELECTRONS = {"e", "electron", "electrons", "photoelectron", "photoelectrons"}
_SECONDS = {"s", "sec", "second", "seconds"}
_PIXELS = {"pix", "pixel", "pixels"}
_SAMPLES = {"sample", "samples", "bin", "bins"}
_CALIBRATED = {"w", "watt", "erg", "j", "joule", "jy", "mjy", "ujy", "mag", "ab"}


def find_unit(text: str) -> Unit:
    """Return the unit that an option names: ``per_sample`` or ``per_pixel``, also with blanks or hyphens.

    Raises
    ------
    ValueError
        If it is another; the message says what can be done with fluxes in it.
    """
    name = "_".join(_words(text))
    if (unit := {"sample": "per_sample", "pixel": "per_pixel"}.get(name, name)) in UNITS:
        return unit
    return declared_unit(text) or "per_sample"


def declared_unit(text: str) -> Unit | None:
    """Return what a column's unit says of its fluxes; None where it does not say whether per sample or per pixel.

    Parameters
    ----------
    text : str
        In any of the spellings of FITS, VOTable, CDS and astropy: ``e-/s``, ``electron.s-1.pix-1``, ``W.m**-2.nm**-1``.

    Raises
    ------
    ValueError
        If fluxes in that unit cannot be read; the message says what can be done.
    """
    words = set(_words(text)) - {"per", "dimensionless", "unitless"}
    if not words:
        return None
    if words & _CALIBRATED:
        raise ValueError(f"fluxes in {text.strip()[:40]} are not read. {FROM_CALIBRATED}")
    if words & _ELECTRONS and words & _SECONDS and words <= _ELECTRONS | _SECONDS | _PIXELS | _SAMPLES:
        return "per_pixel" if words & _PIXELS else "per_sample" if words & _SAMPLES else None
    raise ValueError(f"fluxes in {text.strip()[:40]!r} are not read: they are e-/s, {' or '.join(UNITS)}")


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def per_sample(flux: FloatArray, unit: Unit | None, grid: Grid = DR3) -> FloatArray:
    """Return fluxes of shape (n, samples of the grid) in e-/s per sample, from those in `unit`; None is per sample."""
    return flux * grid.pixels if unit == "per_pixel" else flux
