"""Densities from a table of predictions, and the redshift distribution of a sample as a table. Imports its neighbours.

A density holds under the prior and in the bins that it was made with. Most formats name the model and the prior in
their metadata; for the others, the columns that ``predict --stamp`` adds or the caller must name them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import pyarrow
from numpy.typing import NDArray

from gaia_redshift.bundle import Bundle
from gaia_redshift.errors import Detail, InvalidTableError, UnsupportedByModelError
from gaia_redshift.interpretation.prior import Prior, PriorTable
from gaia_redshift.interpretation.quality import FLAGS
from gaia_redshift.interpretation.sample import Likelihoods, SampleDistribution
from gaia_redshift.tables.samples import as_text, from_arrays, from_columns, is_text
from gaia_redshift.tables.table import Table, described

_DENSITY, _CELL = "pdf", "pdf_"
_NAMES = ("model", "prior", "quality")
_NAMED: dict[str, Prior] = {"survey": "survey", "flat": "flat"}
_SUM = 0.02
"""How far rounding may take the integral of a density from one."""

FindBundle = Callable[[str | None], Bundle]
"""Returns the bundle of a name, ``name@version``, or the default one for None."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The likelihoods of a table of predictions, and what they were made with."""

    likelihoods: Likelihoods
    model: str
    prior: str


def gather(
    table: Table,
    find: FindBundle,
    *,
    model: str | None = None,
    prior: Prior | None = None,
    check_rows: Callable[[int], None] = lambda _: None,
) -> Sample:
    """Read the densities of a table of predictions.

    Parameters
    ----------
    table : Table
        With the column ``pdf`` of arrays, or columns ``pdf_0..``.
    find : callable
    model : str, optional
        Needed where the table does not say it.
    prior : Prior, optional
        Needed where the table does not say it, or says that it was a user's own.
    check_rows : callable
        Called with the number of rows so far; raises where there are too many.

    Raises
    ------
    InvalidTableError
        If there are no densities, their number of bins is not the model's, their prior is not known, or `model` or
        `prior` is another than the table says.
    UnsupportedByModelError
        If the model is a point model.
    UnknownModelError, InvalidRequestError
        If there is no such model; if the prior is zero in all bins.
    """
    names = [field.name.strip().lower() for field in table.schema]
    places = _density_places(names)
    stamps = {name: names.index(name) for name in _NAMES if name in names}
    columns = [*places, *stamps.values()]
    gathered: Likelihoods | None = None
    bundle: Bundle | None = None
    named, stamped = "", dict.fromkeys(("model", "prior"), "")
    rows = 0
    for block in table.blocks(columns, places):
        count, found = len(block.columns), block.columns.columns
        check_rows(rows + count)
        words = dict(zip(stamps, found[len(places) :], strict=True))
        for name in stamped:
            stamped[name] = _only(name, words.get(name), stamped[name])
        if gathered is None or bundle is None:
            said = table.said.get("model") or stamped["model"]
            bundle = find(model or said or None)
            if model and said and bundle.manifest.id != find(said).manifest.id:
                raise _contradicted("model", said, bundle.manifest.id)
            named, weights = _prior(bundle, prior, table.said.get("prior") or stamped["prior"] or None)
            gathered = Likelihoods(weights.edges, weights.prior)
        pdf = _matrix(found[: len(places)], len(gathered.edges) - 1, bundle.manifest.id, rows)
        _refuse_other_numbers(pdf, gathered.edges, rows)
        gathered.add(pdf, _flags(words.get("quality"), count))
        rows += count
    if gathered is None or bundle is None:
        raise InvalidTableError("the table has no rows: it needs one for each galaxy")
    if gathered.without == rows:
        raise InvalidTableError(
            "no row has a density: predict with --pdf (pdf=true)", [Detail(_DENSITY, "missing in all rows")]
        )
    return Sample(gathered, bundle.manifest.id, named)


def _density_places(names: list[str]) -> list[int]:
    if _DENSITY in names:
        return [names.index(_DENSITY)]
    found = {int(name[len(_CELL) :]): place for place, name in enumerate(names) if _is_cell(name)}
    if not found:
        raise InvalidTableError(
            "there are no densities: predict with --pdf (pdf=true), which adds the column pdf, in CSV pdf_0..",
            [Detail(_DENSITY, "missing")],
        )
    missing = [number for number in range(max(found) + 1) if number not in found]
    if missing:
        details = [Detail(f"{_CELL}{number}", "missing") for number in missing]
        raise InvalidTableError(f"column {_CELL}{missing[0]} is missing", details)
    return [found[number] for number in range(len(found))]


def _is_cell(name: str) -> bool:
    return name.startswith(_CELL) and name[len(_CELL) :].isdecimal() and len(name) < len(_CELL) + 5


def _only(name: str, column: pyarrow.Array | None, before: str) -> str:
    """Return the one value of a column in this block and before; raises InvalidTableError where rows differ."""
    values = [before] if before else []
    values += [str(value) for value in ([] if column is None else column.unique().to_pylist()) if value]
    if len(set(values)) > 1:
        first, other = list(dict.fromkeys(values))[:2]
        raise InvalidTableError(
            f"the column {name} names {first[:80]} and {other[:80]}: a sample needs one model and one prior"
        )
    return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class _Weights:
    edges: NDArray[np.float64]
    prior: NDArray[np.float64]


def _prior(bundle: Bundle, wanted: Prior | None, said: str | None) -> tuple[str, _Weights]:
    bins = bundle.bins
    if bins is None:
        raise UnsupportedByModelError(
            f"{bundle.manifest.name} gives one redshift, not a density: the distribution of a sample needs densities"
        )
    if wanted is not None:
        name = "table" if isinstance(wanted, PriorTable) else wanted
        if said is not None and said != name and (said in _NAMED or name in _NAMED):
            raise _contradicted("prior", said, name)
        return name, _Weights(bins.edges, bins.prior(wanted))
    if said in _NAMED:
        return said, _Weights(bins.edges, bins.prior(_NAMED[said]))
    if said is None:
        raise InvalidTableError(
            "the table does not name the prior of its densities: name it (--prior survey or flat; over HTTP "
            "?prior=flat), or predict with --stamp",
            [Detail("prior", "missing")],
        )
    raise InvalidTableError(
        f"the densities were made with the prior {said[:40]!r}, which the table does not contain: predict with --prior "
        "flat, or give the table of that prior",
        [Detail("prior", "not survey or flat")],
    )


def _contradicted(what: str, said: str, wanted: str) -> InvalidTableError:
    return InvalidTableError(
        f"the table says that its densities were made with the {what} {said[:80]}, not {wanted[:80]}: name no {what}",
        [Detail(what, f"{said[:80]} in the table")],
    )


def _matrix(columns: list[pyarrow.Array], bins: int, model: str, before: int) -> NDArray[np.float64]:
    """Return densities of shape (n, bins), NaN where there is none."""
    if len(columns) == 1:
        read = from_arrays(_DENSITY, columns[0], (bins,))
    elif len(columns) != bins:
        raise InvalidTableError(f"{len(columns)} columns {_CELL}0.., but {model} has {bins} bins: name its model")
    else:
        read = from_columns([f"{_CELL}{number}" for number in range(bins)], columns)
    for row, (at, problem) in read.problems.items():
        if problem.code != "missing_value":
            place = f"row {before + row}"
            raise InvalidTableError(
                f"{place}: {problem.message}; {model} has densities of {bins} bins: name the model that made them",
                [Detail(f"{place}, {at}", problem.message)],
            )
    values = np.array(read.values, np.float64)
    values[list(read.problems)] = np.nan
    return values


def _refuse_other_numbers(pdf: NDArray[np.float64], edges: NDArray[np.float64], before: int) -> None:
    """Refuse numbers that are not a density in these bins: negative ones, or those whose integral is not one."""
    with np.errstate(invalid="ignore", over="ignore"):
        wrong = (np.abs(pdf @ np.diff(edges) - 1) > _SUM) | (pdf < 0).any(axis=1)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise InvalidTableError(
            f"row {before + row}: the numbers in pdf are not a probability density in the model's bins, whose integral "
            "is one: name the model that made them, or give the table as predict wrote it",
            [Detail(f"row {before + row}", "not a density")],
        )


def _flags(column: pyarrow.Array | None, count: int) -> NDArray[np.int32]:
    if column is None or not is_text(column.type):
        return np.zeros(count, np.int32)
    words = as_text(column).dictionary_encode()
    bits = [
        sum(1 << FLAGS.index(flag) for flag in FLAGS if flag in (text or "").split("|"))
        for text in words.dictionary.to_pylist()
    ]
    codes = words.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return np.asarray(np.array([*bits, 0], np.int32)[codes])


def distribution_table(found: SampleDistribution, width: float, about: Mapping[str, str]) -> pyarrow.RecordBatch:
    """Return galaxies per interval of redshift: ``z_low``, ``z_high``, ``n`` and ``error``.

    Parameters
    ----------
    found : SampleDistribution
    width : float
        Of the intervals.
    about : mapping
        Goes into the metadata, with the mean redshift and its error.
    """
    made = found.histogram(width)
    schema = pyarrow.schema(
        [
            described("z_low", pyarrow.float64(), "", "Lower end of the interval of redshift", "src.redshift;stat.min"),
            described(
                "z_high", pyarrow.float64(), "", "Upper end of the interval of redshift", "src.redshift;stat.max"
            ),
            described("n", pyarrow.float64(), "", "Galaxies of the sample in the interval, if known", "meta.number"),
            described("error", pyarrow.float64(), "", "Standard error of n", "stat.error;meta.number"),
        ],
        metadata={**about, **summary(found)},
    )
    columns = [made.edges[:-1].round(9), made.edges[1:].round(9), made.n.round(3), made.error.round(3)]
    return pyarrow.RecordBatch.from_arrays([pyarrow.array(each, from_pandas=True) for each in columns], schema=schema)


def summary(found: SampleDistribution) -> dict[str, str]:
    """Return the metadata on the whole sample: its size, the mean redshift and its error."""
    known = {"galaxies": str(found.rows)}
    if found.constrained:
        known |= {"redshift_mean": f"{found.mean:.6f}", "redshift_mean_error": f"{found.mean_error:.6f}"}
    return known


def ensemble(found: SampleDistribution, about: Mapping[str, str]) -> tuple[pyarrow.RecordBatch, dict[str, str]]:
    """Return the distribution and its bootstrap replicas as densities, for a qp file.

    Returns
    -------
    RecordBatch
        The columns ``kind``, ``estimate`` or ``bootstrap``, and ``pdf``.
    dict
        Metadata for the writer, with the edges of the bins.
    """
    widths = np.diff(found.edges)
    densities = np.vstack([found.probability[None], found.replicas]) / widths
    kinds = ["estimate", *(["bootstrap"] * len(found.replicas))]
    pdf: Any = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(densities.ravel()), len(widths))
    rows = pyarrow.RecordBatch.from_arrays([pyarrow.array(kinds), pdf], ["kind", "pdf"])
    edges = orjson.dumps(found.edges.tolist()).decode()
    return rows, {**about, **summary(found), "bin_edges": edges}
