"""Which columns of a file make labelled spectra. Imports `formats`, and `spectra` and `tables` of the project.

A file has the redshift ``z`` and the spectrum: ``flux`` (one array of 186), ``flux_0..flux_185``, or BP and RP (arrays
``bp`` and ``rp``, or ``bp_0..`` and ``rp_0..``; 120 samples are cut to those of the grid). Columns are found by name,
in any order and any case; what else is known of each galaxy (`PROPERTIES`) is kept, every other column is ignored.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.errors import InvalidInputError, InvalidTableError
from gaia_redshift.spectra import DR3, FloatArray
from gaia_redshift.tables.columns import find_layout
from training.data.formats import Block, Kind, Table

PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "magnitude": ("magnitude", "phot_g_mean_mag"),
    "snr_bp": ("snr_bp",),
    "snr_rp": ("snr_rp",),
    "transits": ("transits",),
}
"""What an evaluation may be binned by, and the columns that may hold it."""

_KNOWN: Mapping[str, Kind] = {"z": "number", "source_id": "text", "parent_id": "whole", "part": "text"}

Arrange = Callable[[Block], FloatArray]


def read_columns(path: Path, table: Table) -> dict[str, Any]:
    """Read spectra, redshifts and what else is known of each galaxy.

    Parameters
    ----------
    path : Path
        For messages.
    table : Table

    Returns
    -------
    dict
        ``flux`` (n, 186), ``redshift`` (n,), and ``parent``, ``part``, ``source_id``, ``properties`` as `Dataset` has
        them; unusable rows included.

    Raises
    ------
    InvalidInputError
        If a column is missing or duplicate, or holds arrays of another length.
    """
    spelled = {name.strip().lower(): name for name in reversed(table.names)}
    asked = {name: (name,) for name in _KNOWN} | dict(PROPERTIES)
    found = {name: column for name, among in asked.items() if (column := _one_of(path, among, table.names))}
    if "z" not in found:
        raise InvalidInputError(f"{path.name} lacks the column z, the redshift")
    spectrum, arrange = _spectrum(path, table.names, spelled)
    others = {column: _KNOWN.get(name, "number") for name, column in found.items()}
    flux: list[FloatArray] = []
    pieces: dict[str, list[NDArray[Any]]] = {column: [] for column in others}
    for block in table.blocks({**others, **spectrum}):
        flux.append(_arranged(path, block, arrange))
        for column, values in pieces.items():
            values.append(block[column])
    read = {name: np.concatenate(pieces[column] or [np.empty(0, np.float32)]) for name, column in found.items()}
    return {
        "flux": _joined(flux),
        "redshift": read["z"],
        "parent": _orphans_apart(read.get("parent_id")),
        "part": read.get("part"),
        "source_id": read.get("source_id"),
        "properties": {name: read[name] for name in PROPERTIES if name in read},
    }


def _one_of(path: Path, among: Sequence[str], names: Sequence[str]) -> str | None:
    """Return how the file spells the first of some columns that it has."""
    for wanted in among:
        found = [name for name in names if name.strip().lower() == wanted]
        if len(found) > 1:
            raise InvalidInputError(f"{path.name} has the column {wanted} more than once")
        if found:
            return found[0]
    return None


def _spectrum(path: Path, names: Sequence[str], spelled: Mapping[str, str]) -> tuple[dict[str, Kind], Arrange]:
    """Return the columns that make the spectra, and what makes spectra of them."""
    if "flux" in spelled:
        return {spelled["flux"]: "array"}, lambda block: block[spelled["flux"]]
    if "bp" in spelled and "rp" in spelled:
        bp, rp = spelled["bp"], spelled["rp"]
        return {bp: "array", rp: "array"}, lambda block: DR3.assemble(block[bp], block[rp])
    try:
        layout = find_layout(names)
    except InvalidTableError as error:
        raise InvalidInputError(f"{path.name}: {error.message}", error.details) from error
    samples = [names[position] for position in layout.samples]
    return dict.fromkeys(samples, "number"), lambda block: layout.arrange(
        np.stack([block[name] for name in samples], axis=1)
    )


def _arranged(path: Path, block: Block, arrange: Arrange) -> FloatArray:
    try:
        flux = arrange(block)
    except ValueError as error:
        raise InvalidInputError(f"{path.name}: {error}") from error
    if flux.shape[1] != DR3.samples:
        raise InvalidInputError(f"{path.name}: a spectrum has {flux.shape[1]} fluxes, not {DR3.samples}")
    return flux


def _joined(blocks: list[FloatArray]) -> FloatArray:
    """Concatenate and empty a list, so that the spectra are never in memory twice."""
    if len(blocks) == 1:
        return blocks.pop()
    whole = np.empty((sum(map(len, blocks)), DR3.samples), np.float32)
    stop = len(whole)
    while blocks:
        block = blocks.pop()
        whole[stop - len(block) : stop] = block
        stop -= len(block)
    return whole


def _orphans_apart(parent: NDArray[np.int64] | None) -> NDArray[np.int64] | None:
    """Give each spectrum without a parent galaxy a number of its own, so that it shares its part with no other."""
    if parent is None:
        return None
    orphans = parent < 0
    return np.where(orphans, -1 - np.arange(len(parent)), parent)
