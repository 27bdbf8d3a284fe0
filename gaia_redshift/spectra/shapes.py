"""Advice for arrays of a wrong shape or type. Imports `grid` and numpy."""

from collections.abc import Sequence

from gaia_redshift.spectra.grid import DR3, Grid

_KINDS = {
    "c": "complex numbers: fluxes are real, send its real part (array.real)",
    "b": "booleans, perhaps a mask: send the fluxes themselves, with NaN for masked values",
    "i": "whole numbers: send array.astype('float32')",
    "u": "whole numbers: send array.astype('float32')",
    "f": "floats of another size: send array.astype('float32')",
    "O": "Python objects, such as rows of different lengths or a pickle, which are not read: make rows of equal length "
    "(numpy.stack) and send array.astype('float32')",
    "U": "text: if it holds numbers, send array.astype('float32')",
    "S": "text: if it holds numbers, send array.astype('float32')",
    "M": "dates: send the fluxes as float32",
    "m": "time differences: send the fluxes as float32",
    "V": "records: send only the fluxes as float32, or send the file to POST /predict/table",
}
_CALIBRATED_SAMPLES = 343


def wrong_type(kind: str, name: str) -> str:
    """Return the error for an array whose type is not float32 or float64, with what to do.

    Parameters
    ----------
    kind : str
        NumPy's code for the kind of type.
    name : str
        Name of the type, such as ``<c16``.
    """
    what = _KINDS.get(kind, "numbers of another kind: send array.astype('float32')")
    return f"the array holds {name}, {what}; float32 and float64 are read"


def wrong_shape(shape: Sequence[int], grid: Grid = DR3) -> str:
    """Return advice for an array whose shape is not (n, samples); empty if there is none."""
    lengths = grid.lengths["flux"]
    last = shape[-1] if shape else 0
    advice = {
        f"it is one spectrum: make its shape (1, {last}) with array[None]": len(shape) == 1 and last in lengths,
        f"make its shape (n, {last}) with array.reshape(-1, {last})": len(shape) > 2 and last in lengths,
        "it seems to be transposed: send array.T": len(shape) == 2 and shape[0] in lengths,
        "it seems to be one band: join BP and RP with numpy.concatenate([bp, rp], axis=1)": (
            last in grid.lengths["bp"] + grid.lengths["rp"]
        ),
        "it has one column too many: if the first holds the identifiers, send array[:, 1:]": last - 1 in lengths,
        "343 wavelengths are those of XP_SAMPLED, in W m-2 nm-1, which is not read: use XP_CONTINUOUS": (
            last == _CALIBRATED_SAMPLES
        ),
        f"{last} is the number of coefficients of the archive's spectra: give the archive's file": last in {55, 110},
        "it is empty": 0 in shape,
    }
    return next((text for text, applies in advice.items() if applies), "")
