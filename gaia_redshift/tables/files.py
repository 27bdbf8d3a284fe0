"""Tables on disk. Imports its neighbours, `errors` and `spectra`."""

from pathlib import Path

from gaia_redshift.errors import InvalidInputError
from gaia_redshift.spectra import SpectrumBatch
from gaia_redshift.tables.formats import opened
from gaia_redshift.tables.recognise import recognise
from gaia_redshift.tables.spectra import read_spectra


def read(path: str | Path) -> SpectrumBatch:
    """Read all spectra of a file.

    Parameters
    ----------
    path : str or Path
        CSV, ECSV, FITS, VOTable, Parquet, Arrow, JSON lines or NumPy, compressed or not; for columns see `recognise`.

    Raises
    ------
    InvalidInputError
        If the file cannot be read.
    InvalidTableError, MalformedBodyError
        If it holds no table of spectra.
    """
    where = Path(path)
    try:
        with where.open("rb") as file, opened(file, where.name) as table:
            return SpectrumBatch.join(list(read_spectra(table, recognise(table))))
    except OSError as error:
        raise InvalidInputError(f"{where} cannot be read: {error.strerror or error}") from error
