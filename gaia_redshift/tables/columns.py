"""Finding spectra that have one column per sample. Imports `spectra` and `errors` of the project."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from gaia_redshift.errors import Detail, InvalidTableError
from gaia_redshift.spectra import DR3, FloatArray, Grid
from gaia_redshift.tables.identifiers import find_identifier

_SAMPLE = re.compile(r"(flux|bp|rp)_([0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a table keeps its spectra: column positions in the order of the samples."""

    flux: tuple[int, ...] = ()
    bp: tuple[int, ...] = ()
    rp: tuple[int, ...] = ()
    source_id: int | None = None
    grid: Grid = DR3

    @property
    def samples(self) -> tuple[int, ...]:
        """Positions of all sample columns: fluxes, or BP and then RP."""
        return self.flux or self.bp + self.rp

    def arrange(self, values: FloatArray) -> FloatArray:
        """Turn values of shape (n, len(samples)) into fluxes of shape (n, samples of the grid)."""
        return values if self.flux else self.grid.assemble(values[:, : len(self.bp)], values[:, len(self.bp) :])


def find_layout(names: Sequence[str], grid: Grid = DR3) -> Layout:
    """Find the spectrum columns among a table's column names, in any order and any case.

    Parameters
    ----------
    names : sequence of str
        ``flux_0`` to ``flux_185``, or ``bp_0..`` (80 or 120) and ``rp_0..`` (106 or 120); ``source_id`` is
        optional, see `IDENTIFIERS`; all other columns, ``z`` among them, are ignored. Where there are both kinds of
        fluxes, ``flux`` is read if it is complete.
    grid : Grid
        Gives the numbers of samples.

    Raises
    ------
    InvalidTableError
        If there is no complete set, or one of its columns is duplicate.
    """
    lowered = _plain_names(names, grid)
    position = {name: index for index, name in reversed(list(enumerate(lowered)))}
    samples = {band: _numbered(lowered, band) for band in ("flux", "bp", "rp")}
    twice = [name for name, count in Counter(lowered).items() if count > 1 and _matters(name, samples)]
    if twice:
        raise InvalidTableError(f"duplicate column {twice[0]}", [Detail(name, "duplicate") for name in twice])
    source_id = find_identifier(names)
    whole = len(samples["bp"]) in grid.bp.lengths and len(samples["rp"]) in grid.rp.lengths
    in_bands = bool(samples["bp"] or samples["rp"]) and len(samples["flux"]) != grid.samples
    if not in_bands or (samples["flux"] and not whole):
        flux = _complete("flux", samples["flux"], (grid.samples,), position, grid)
        return Layout(flux=flux, source_id=source_id, grid=grid)
    bp = _complete("bp", samples["bp"], grid.bp.lengths, position, grid)
    rp = _complete("rp", samples["rp"], grid.rp.lengths, position, grid)
    return Layout(bp=bp, rp=rp, source_id=source_id, grid=grid)


def wanted_columns(grid: Grid) -> str:
    """Return the names of the columns that a spectrum needs, for messages."""
    blue, red = (" or ".join(map(str, each.lengths)) for each in (grid.bp, grid.rp))
    return f"flux_0 to flux_{grid.samples - 1}, or bp_0.. ({blue}) and rp_0.. ({red})"


def _plain_names(names: Sequence[str], grid: Grid) -> list[str]:
    """Return the names in lower case, those of samples without leading zeros and counted from zero.

    Columns named by numbers alone are fluxes if there are as many as a spectrum has.
    """
    plain = [name.strip().lower() for name in names]
    if sum(name.isdecimal() for name in plain) == grid.samples:
        plain = [f"flux_{name}" if name.isdecimal() else name for name in plain]
    found = [_SAMPLE.fullmatch(name) for name in plain]
    numbers: dict[str, list[int]] = {}
    for match in found:
        if match:
            numbers.setdefault(match[1], []).append(int(match[2]))
    from_one = bool(numbers) and all(
        sorted(counted) in ([*range(1, length + 1)] for length in grid.lengths[band])
        for band, counted in numbers.items()
    )
    return [
        f"{match[1]}_{int(match[2]) - from_one}" if match else name for match, name in zip(found, plain, strict=True)
    ]


def _matters(name: str, samples: dict[str, set[int]]) -> bool:
    prefix, _, number = name.rpartition("_")
    return number.isdecimal() and int(number) in samples.get(prefix, ())


def _numbered(names: Sequence[str], band: str) -> set[int]:
    """Return the numbers of all sample columns of a band."""
    return {int(match[2]) for name in names if (match := _SAMPLE.fullmatch(name)) and match[1] == band}


def _runs(band: str, numbers: Sequence[int]) -> list[str]:
    """Return columns by their runs: ``flux_7``, ``flux_80 to flux_185``."""
    starts = [number for number in numbers if number - 1 not in numbers]
    stops = [number for number in numbers if number + 1 not in numbers]
    return [
        f"{band}_{start}" if start == stop else f"{band}_{start} to {band}_{stop}"
        for start, stop in zip(starts, stops, strict=True)
    ]


def _complete(
    band: str, found: set[int], lengths: tuple[int, ...], position: dict[str, int], grid: Grid
) -> tuple[int, ...]:
    """Return the positions of columns 0 to length - 1, for the smallest of `lengths` that holds all found."""
    length = next((length for length in lengths if max(found, default=0) < length), None)
    if length is None:
        if 0 not in found and max(found) in lengths:  # as many as there are, counted from one
            gaps = [f"{band}_{number}" for number in range(1, max(found)) if number not in found]
            raise InvalidTableError(
                f"the columns are counted from one, {band}_1 to {band}_{max(found)}, and {gaps[0]} is missing",
                [Detail(name, "missing") for name in gaps],
            )
        raise InvalidTableError(
            f"column {band}_{max(found)} is one too many: {band} has {' or '.join(map(str, lengths))} samples",
            [Detail(f"{band}_{max(found)}", "unexpected")],
        )
    missing = [f"{band}_{number}" for number in range(length) if f"{band}_{number}" not in position]
    if missing:
        expected = wanted_columns(grid)
        which = f"{len(missing)} columns are missing, {missing[0]} the first"
        which = f"1 column is missing: {missing[0]}" if len(missing) == 1 else which
        raise InvalidTableError(
            f"{which}; a table needs {expected}",
            [Detail(each, "missing") for each in _runs(band, [n for n in range(length) if f"{band}_{n}" in missing])],
        )
    return tuple(position[f"{band}_{number}"] for number in range(length))
