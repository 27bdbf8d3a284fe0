"""What to do with an array of spectra that has another shape, or holds no floats. Imports `grid` and numpy."""

from collections.abc import Sequence

from gaia_redshift.spectra.grid import DR3, Grid

_KINDS = {
    "c": "complex numbers: fluxes are real, send its real part (array.real)",
    "b": "truth values, as a mask does: send the fluxes themselves, and NaN for what is masked",
    "i": "whole numbers: send array.astype('float32')",
    "u": "whole numbers: send array.astype('float32')",
    "f": "floats of another size: send array.astype('float32')",
    "O": "Python objects, such as rows of different lengths or a pickle, which are not read: make rows of one length "
    "(numpy.stack) and send array.astype('float32')",
    "U": "text: send array.astype('float32'), if it is numbers",
    "S": "text: send array.astype('float32'), if it is numbers",
    "M": "dates: send the fluxes as float32",
    "m": "spans of time: send the fluxes as float32",
    "V": "records: send the fluxes alone, an array of float32, or the file to POST /predict/table",
}
_CALIBRATED_SAMPLES = 343


def wrong_type(kind: str, name: str) -> str:
    """Return what an array holds that holds no float32 or float64, and what to do.

    Parameters
    ----------
    kind : str
        NumPy's letter for the kind of its type.
    name : str
        Of its type, such as ``<c16``.
    """
    what = _KINDS.get(kind, "numbers of another kind: send array.astype('float32')")
    return f"the array holds {name}, {what}; float32 and float64 are read"


def wrong_shape(shape: Sequence[int], grid: Grid = DR3) -> str:
    """Return what to do with an array of a shape that is not (n, samples); empty where nothing is known to help."""
    lengths = grid.lengths["flux"]
    last = shape[-1] if shape else 0
    advice = {
        f"it is one spectrum: make its shape (1, {last}) with array[None]": len(shape) == 1 and last in lengths,
        f"make its shape (n, {last}) with array.reshape(-1, {last})": len(shape) > 2 and last in lengths,
        "it seems to be transposed: send array.T": len(shape) == 2 and shape[0] in lengths,
        "it seems to be one band: put BP and RP side by side, numpy.concatenate([bp, rp], axis=1)": (
            last in grid.lengths["bp"] + grid.lengths["rp"]
        ),
        "it has one column more: is the first the identifiers? Send array[:, 1:]": last - 1 in lengths,
        "343 wavelengths are those of XP_SAMPLED, in W m-2 nm-1, which is not read: take XP_CONTINUOUS": (
            last == _CALIBRATED_SAMPLES
        ),
        "as many numbers are the coefficients of the archive's spectra: give the archive's file": last in {55, 110},
        "it is empty": 0 in shape,
    }
    return next((text for text, applies in advice.items() if applies), "")
