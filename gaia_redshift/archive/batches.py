"""Source ids to a batch of spectra in their order. Imports its neighbours, `tables` and `spectra` of the project."""

from collections.abc import Sequence

import numpy as np
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.archive.datalink import Archive
from gaia_redshift.spectra import Grid, Problem, SpectrumBatch
from gaia_redshift.tables.dataframes import read_blocks
from gaia_redshift.tables.identifiers import SOURCE_ID

_NOT_THERE = Problem("not_in_archive", "the archive has no BP/RP spectrum of this source")


def fetch_batch(url: str, grid: Grid, ids: Sequence[int]) -> SpectrumBatch:
    """Fetch the spectra of some sources.

    Parameters
    ----------
    url : str
        Address of the DataLink service.
    grid : Grid
        Grid of the model that will read the spectra; the ids belong to its release.
    ids : sequence of int

    Returns
    -------
    SpectrumBatch
        A row for each id, in the same order. A source without a spectrum in the archive has a problem. The batch
        carries the ids.

    Raises
    ------
    ArchiveError
        If the archive fails, or refuses the request.
    """
    archive = Archive(url, grid.release)
    flux = np.zeros((len(ids), grid.samples), np.float32)
    problems: dict[int, Problem] = dict.fromkeys(range(len(ids)), _NOT_THERE)
    places: dict[int, list[int]] = {}
    for place, number in enumerate(ids):
        places.setdefault(number, []).append(place)
    try:
        for part in archive.fetch(ids):
            if part.rows.num_rows:
                _fill(part.rows, grid, places, flux, problems)
    finally:
        archive.close()
    carried = pyarrow.RecordBatch.from_pydict({SOURCE_ID: pyarrow.array(ids, pyarrow.int64())})
    return SpectrumBatch(flux, [str(number) for number in ids], problems, grid, carried)


def _fill(
    rows: pyarrow.Table,
    grid: Grid,
    places: dict[int, list[int]],
    flux: NDArray[np.float32],
    problems: dict[int, Problem],
) -> None:
    name = next(name for name in rows.column_names if name.lower() == SOURCE_ID)
    found = SpectrumBatch.join(list(read_blocks(rows, grid)))
    for row, number in enumerate(rows[name].to_pylist()):
        for place in places[number]:
            flux[place] = found.flux[row]
            del problems[place]
            if row in found.problems:
                problems[place] = found.problems[row]
