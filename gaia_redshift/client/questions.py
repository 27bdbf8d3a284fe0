"""From the user's arrays or table to a request: spectra, identifiers, options. Imports its neighbours and `tables`."""

import io
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from gaia_redshift.client.encoding import Spectra
from gaia_redshift.client.messages import PredictOptions
from gaia_redshift.errors import RedshiftError, counted
from gaia_redshift.interpretation.prior import first_problem, prior_of
from gaia_redshift.spectra import DR3, Identifier, Problem, SpectrumBatch, read_identifiers
from gaia_redshift.spectra.shapes import wrong_shape, wrong_type

Rows = Literal["strict", "lenient"]


@dataclass(frozen=True, slots=True)
class Question:
    """Spectra to send, and what the client keeps of the input."""

    spectra: Spectra
    options: dict[str, object]
    """Options of the request, without those at their defaults."""
    source_id: Sequence[Identifier] | None
    named_by: str | None
    """Where the identifiers come from, as in `Predictions.named_by`."""
    problems: Mapping[int, Problem] = field(default_factory=dict)
    """Rows that could not be read; the service is sent NaN for them, or their wrong E(B-V)."""


def ask(
    flux: object,
    bp: object,
    rp: object,
    source_id: object,
    *,
    model: str | None,
    prior: object,
    pdf: bool,
    unit: object,
    ebv: object,
    rows: Rows,
) -> Question:
    """Read spectra given as arrays or as a table; raises ValueError if they cannot be read."""
    options = read_options(model=model, prior=prior, pdf=pdf, unit=unit, rows=rows)
    given = {name: value for name, value in (("flux", flux), ("bp", bp), ("rp", rp)) if value is not None}
    try:
        ids = None if source_id is None else read_identifiers(source_id)
        if set(given) == {"flux"} and (isinstance(flux, SpectrumBatch) or _is_table(flux)):
            return _of_table(flux, ids, options, rows, ebv)
        question = _of_arrays(given, ids, options, rows)
        return question if ebv is None else _behind(question, ebv, rows)
    except RedshiftError as error:
        details = "".join(f"\n  {one.at}: {one.message}" for one in error.details)
        raise ValueError(f"{error.message}{details}") from None


def read_options(**given: Any) -> dict[str, object]:
    """Check options before they are sent, and leave out those at their defaults.

    Raises
    ------
    ValueError
        If the service would refuse one.
    """
    if not isinstance(given.get("prior"), str):
        given["prior"] = prior_of(given.get("prior"))
    if given.get("unit") is not None:
        given["unit"] = str(given["unit"])  # astropy's units too
    try:
        return PredictOptions(**given).model_dump(exclude_defaults=True)
    except ValidationError as error:
        raise ValueError(first_problem(error)) from None


def _is_table(values: object) -> bool:
    from gaia_redshift.tables.kinds import is_table  # imports pyarrow, which arrays do not need

    structured = isinstance(values, np.ndarray) and values.dtype.names is not None
    return structured or (not isinstance(values, np.ndarray | list | tuple) and is_table(values))


def _behind(question: Question, ebv: object, rows: Rows) -> Question:
    from gaia_redshift.tables.extinction import behind

    spectra = question.spectra
    (known,) = behind(iter([SpectrumBatch(np.empty((len(spectra), DR3.samples), np.float32))]), ebv)
    _refuse_if_strict(known, rows)
    return replace(question, spectra=replace(spectra, ebv=known.ebv), problems=known.problems)


def _with_rows(array: NDArray[np.generic], rows: Collection[int]) -> NDArray[np.bool_] | None:
    """Return the mask of an array with whole rows masked; None if nothing is."""
    if not rows:
        return None
    mask = np.zeros(array.shape, np.bool_)
    mask[list(rows)] = True
    return mask


def _refuse_if_strict(batch: SpectrumBatch, rows: Rows) -> None:
    if rows == "strict" and batch.problems:
        row, problem = min(batch.problems.items())
        count = counted(len(batch.problems), "such row", "such rows")
        raise ValueError(f"row {row}: {problem.code}: {problem.message} ({count} in all)")


def _of_table(
    table: Any, ids: Sequence[Identifier] | None, options: dict[str, Any], rows: Rows, ebv: object
) -> Question:
    from gaia_redshift.tables.dataframes import read_blocks
    from gaia_redshift.tables.extinction import behind
    from gaia_redshift.tables.kinds import identifiers

    unit = options.pop("unit", None)  # converted here, where the units of the columns are known
    named_by = None if ids is None else "source_id"
    if isinstance(table, SpectrumBatch):
        (batch,) = behind(iter([table.in_samples(unit)]), ebv)
        ids = batch.source_id if ids is None else ids
    else:
        if ids is None:
            named_by, ids = identifiers(table)
        batch = SpectrumBatch.join(list(read_blocks(table, DR3, unit, ebv)))
    _refuse_if_strict(batch, rows)
    if not len(batch):
        raise ValueError("there are no spectra: the table has no rows")
    if ids is not None and len(ids) != len(batch):
        raise ValueError(f"there are {len(ids)} identifiers for {len(batch)} spectra: give one for each")
    # A wrong E(B-V) is sent: a job's rows have the reason of the service, to whoever looks at them.
    unread = {row for row, problem in batch.problems.items() if problem.code != "invalid_ebv"}
    mask = _with_rows(batch.flux, unread)
    return Question(Spectra({"flux": batch.flux}, {"flux": mask}, batch.ebv), options, ids, named_by, batch.problems)


def _of_arrays(
    given: Mapping[str, object], ids: Sequence[Identifier] | None, options: dict[str, Any], rows: Rows
) -> Question:
    from gaia_redshift.tables.memory import agreed, unit_of

    read = {name: _array(name, value) for name, value in given.items()}
    declared = [text for value in given.values() if (text := unit_of(value))]
    if declared and (unit := agreed(options.get("unit"), declared)) is not None:
        options = {**options, "unit": unit}
    counts = {len(array) for array, _ in read.values()} | ({len(ids)} if ids is not None else set())
    if set(read) not in ({"flux"}, {"bp", "rp"}) or len(counts) != 1:
        raise ValueError("give flux, or bp and rp, with as many rows as source_id")
    if not any(counts):
        raise ValueError("there are no spectra: the arrays have no rows")
    spectra = Spectra(
        {name: array for name, (array, _) in read.items()}, {name: mask for name, (_, mask) in read.items()}
    )
    named_by = None if ids is None else "source_id"
    if rows == "strict" and any(mask is not None for mask in spectra.masks.values()):
        name, mask = next((name, mask) for name, mask in spectra.masks.items() if mask is not None)
        row, sample = np.argwhere(mask)[0]
        raise ValueError(f"{name}[{row}, {sample}] is masked: a masked sample is a missing one")
    return Question(spectra, options, ids, named_by)


def _array(name: str, value: Any) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Return a two-dimensional array in native byte order, and its mask."""
    from gaia_redshift.tables.kinds import kind_of
    from gaia_redshift.tables.memory import split_mask

    if isinstance(value, str | Path):
        way_out = "give gaia_redshift.read(path), or use predict_csv(path)"
        raise ValueError(f"{name} is text, perhaps a path: {way_out}")  # noqa: TRY004 - as for all wrong arrays
    if type(value).__name__ in {"LazyFrame", "Row"}:
        kind_of(value)  # raises an error that says what to give instead
    rows = list(value) if type(value).__name__ == "Series" else value
    try:
        array, mask = split_mask(rows)
    except ValueError:
        raise ValueError(f"the rows of {name} have different lengths: give {_shapes(name)}") from None
    if array.dtype.kind == "O" and array.ndim == 2:  # as pandas' to_numpy returns for columns of several types
        with suppress(TypeError, ValueError):
            array = array.astype(np.float64)
    if array.dtype.kind == "O":
        raise ValueError(f"{name} does not hold numbers: give {_shapes(name)}")
    if array.dtype.kind in "cbMmVUS":
        raise ValueError(f"{name}: {wrong_type(array.dtype.kind, str(array.dtype))}")
    fits = 0 < array.ndim < 3 and array.shape[-1] in DR3.lengths[name]
    advice = "" if fits else wrong_shape(array.shape)
    if array.ndim > 2 or (name == "flux" and array.ndim == 2 and advice):
        raise ValueError(f"{name} has shape {array.shape}: give {_shapes(name)}{'; ' if advice else ''}{advice}")
    whole = np.atleast_2d(np.ascontiguousarray(array))
    return (whole, None) if mask is None else _with_edges_unmasked(name, whole, np.atleast_2d(mask))


def _with_edges_unmasked(
    name: str, array: NDArray[np.generic], mask: NDArray[np.bool_]
) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
    """Return zeros, unmasked, for the masked samples of an untruncated array that no model reads."""
    bands = [band for band in (DR3.bp, DR3.rp) if name in ("flux", band.name.lower())]
    if array.shape[1] != sum(band.samples for band in bands):
        return array, mask
    kept = np.concatenate([np.isin(np.arange(band.samples), np.arange(band.samples)[band.kept]) for band in bands])
    wanted = mask & kept
    return np.where(mask & ~kept, array.dtype.type(0), array), wanted if wanted.any() else None


def _shapes(name: str) -> str:
    return "an array of shape " + " or ".join(f"(n, {length})" for length in DR3.lengths[name])


def open_table(table: object) -> tuple[str, Any, bool]:
    """Return the name of a CSV table, the file to send, and whether it was opened here.

    Parameters
    ----------
    table : str, Path, or file
        A file of text, or of bytes.
    """
    if isinstance(table, str | Path):
        return Path(table).name, Path(table).open("rb"), True
    if not hasattr(table, "read"):
        raise ValueError(f"give the path of a CSV table or an open file, not {type(table).__name__}")
    name = getattr(table, "name", "")
    name = Path(name).name if isinstance(name, str) and name else "table.csv"
    if isinstance(table, io.TextIOBase):
        return name, io.BytesIO(table.read().encode()), True
    return name, table, False
