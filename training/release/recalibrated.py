"""The report of a recalibration, in numbers and in words. Imports `calibration` and `evaluation.metrics`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import CARD_FILE, Bundle, Manifest
from gaia_redshift.interpretation.prior import PriorName
from training.calibration.correction import Correction
from training.calibration.recalibration import Judged, Labelled, Recalibrated
from training.data.dataset import ORIGIN, Dataset
from training.evaluation.metrics import measure

RECALIBRATION_FILE = "recalibration.json"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The labelled galaxies that a recalibration learns from."""

    galaxies: Labelled
    no_galaxies: int
    """Rows left out because the model takes them for something else."""
    without: int
    """Rows left out because they get no redshift."""


def report(bundle: Bundle, dataset: Dataset, chosen: Chosen, found: Recalibrated) -> dict[str, Any]:
    """Return what was learnt from which data, and the metrics before and after, for ``recalibration.json``."""
    true = chosen.galaxies.true
    return {
        "from": {"model": bundle.manifest.id, "manifest_sha256": bundle.sha256},
        "data": {
            "name": dataset.name,
            "sha256": dataset.sha256,
            "simulated": dataset.simulated,
            "release": dataset.grid.release,
            "galaxies": len(true),
            "taken_for_no_galaxy": chosen.no_galaxies,
            "without_redshift": chosen.without,
            "left_out": dict(dataset.dropped),
            "redshift_range": [float(true.min()), float(true.max())],
        },
        "correction": asdict(found.correction),
        "before": _measured(true, found.before),
        "after": _measured(true, found.after),
    }


def _measured(true: NDArray[np.float64], judged: Mapping[PriorName, Judged]) -> dict[str, dict[str, list[float]]]:
    """Return metrics with their errors by prior: the median's and the MAE's as of n errors, coverage's binomial."""
    found = {}
    for prior, each in judged.items():
        metrics, root = measure(true, each.predicted), np.sqrt(len(true))
        values = {
            "bias_median": (metrics["bias_median"], 1.2533 * metrics["nmad"] / root),
            "nmad": (metrics["nmad"], 1.17 * metrics["nmad"] / root),
            "mae": (metrics["mae"], np.abs(each.predicted - true).std() / root),
        }
        for name, inside in (("coverage_68", each.inside68), ("coverage_95", each.inside95)):
            values[name] = (inside.mean(), inside.std() / root)
        found[str(prior)] = {name: [round(float(part), 6) for part in pair] for name, pair in values.items()}
    return found


def sentence(said: Mapping[str, Any]) -> str:
    """Return where a recalibrated bundle comes from, in words."""
    data, start = said["data"], said["from"]
    return (
        f"Recalibrated from {start['model']} (manifest SHA-256 {start['manifest_sha256']}) on {data['galaxies']} "
        f"labelled galaxies of {data['release']}, {data['name']} (SHA-256 {data['sha256']}). "
        f"{ORIGIN[data['simulated']]}"
    )


def correction_in_words(said: Mapping[str, Any]) -> str:
    """Return what was done to the redshifts."""
    correction = Correction(**said["correction"])
    if correction.is_none:
        return "Redshifts stay as they were: galaxies held back gain nothing by a correction."
    wider = ""
    if "flat" in said["after"]:
        wider = f", and densities have the temperature {correction.temperature:.2f} (above one they are wider)"
    return f"A redshift z becomes z {correction.shift:+.4f} (1 + z){wider}."


def table(said: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return prior, measure, before and after, with errors, row by row."""
    rows = []
    for prior, measures in said["after"].items():
        for name, after in measures.items():
            how = ".1%" if name.startswith("coverage") else "+.4f"
            pairs = said["before"][prior][name], after
            cells = [f"{value:{how}} +- {error:{how.lstrip('+')}}" for value, error in pairs]
            rows.append((prior, _WORDS[name], *cells))
    return rows


_WORDS = {
    "bias_median": "bias: median dz",
    "nmad": "NMAD of dz",
    "mae": "mean absolute error",
    "coverage_68": "in the 68% interval",
    "coverage_95": "in the 95% interval",
}


def card(manifest: Manifest, said: Mapping[str, Any], bundle: Bundle) -> str:
    """Return the card: the report of the recalibration, and then the card of the model that it began with."""
    data = said["data"]
    rows = "\n".join(f"| {' | '.join(row)} |" for row in table(said))
    return f"""**{sentence(said)}**

# {manifest.name} {manifest.version}

## Recalibration

Intervals were set anew by labelled galaxies at redshifts from {data["redshift_range"][0]:.3f} to \
{data["redshift_range"][1]:.3f}. {correction_in_words(said)}
{data["taken_for_no_galaxy"]} rows that the model takes for no galaxy were left out, and {data["without_redshift"]} \
that get no redshift.

| prior | | before | after, cross-validated |
|---|---|---|---|
{rows}

The intervals hold their share of galaxies such as the labelled ones: as bright, at such redshifts, chosen in that way.
Quality flags are those of the model it began with.

What follows is the card of {said["from"]["model"]}: its numbers are that model's.

{bundle.read(CARD_FILE).decode()}"""
