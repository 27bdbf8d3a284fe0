"""The report of a recalibration, in numbers and in words. Imports `calibration` and `evaluation.metrics`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from gaia_redshift.bundle import CARD_FILE, Bundle, Manifest
from gaia_redshift.interpretation.prior import PriorName
from training.calibration.recalibration import Judged, Labelled, Recalibrated
from training.data.dataset import ORIGIN, Dataset
from training.evaluation.metrics import measure
from training.evaluation.page import markdown_table

RECALIBRATION_FILE = "recalibration.json"

_WORDS = {
    "bias_median": "bias: median dz",
    "nmad": "NMAD of dz",
    "mae": "mean absolute error",
    "coverage_68": "in the 68% interval",
    "coverage_95": "in the 95% interval",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The labelled galaxies that a recalibration learns from."""

    galaxies: Labelled
    no_galaxies: int
    """Rows left out because the model takes them for something else."""
    without: int
    """Rows left out because they get no redshift."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was learnt, from what, and the metrics before and after."""

    bundle: Bundle
    """The old one."""
    dataset: Dataset
    chosen: Chosen
    found: Recalibrated

    def metrics(self, judged: Mapping[PriorName, Judged]) -> dict[PriorName, dict[str, tuple[float, float]]]:
        """Return metrics with their errors by prior: those of n normal errors, of coverage the binomial ones."""
        true, found = self.chosen.galaxies.true, {}
        for prior, each in judged.items():
            metrics, root = measure(true, each.predicted), np.sqrt(len(true))
            values = {
                "bias_median": (metrics["bias_median"], 1.2533 * metrics["nmad"] / root),
                "nmad": (metrics["nmad"], 1.17 * metrics["nmad"] / root),
                "mae": (metrics["mae"], np.abs(each.predicted - true).std() / root),
                "coverage_68": (each.inside68.mean(), each.inside68.std() / root),
                "coverage_95": (each.inside95.mean(), each.inside95.std() / root),
            }
            found[prior] = {name: (round(float(pair[0]), 6), round(float(pair[1]), 6)) for name, pair in values.items()}
        return found

    def as_dict(self) -> dict[str, object]:
        """Return all numbers, for ``recalibration.json``."""
        data, true = self.dataset, self.chosen.galaxies.true
        return {
            "from": {"model": self.bundle.manifest.id, "manifest_sha256": self.bundle.sha256},
            "data": {
                "name": data.name,
                "sha256": data.sha256,
                "simulated": data.simulated,
                "release": data.grid.release,
                "galaxies": len(true),
                "taken_for_no_galaxy": self.chosen.no_galaxies,
                "without_redshift": self.chosen.without,
                "left_out": dict(data.dropped),
                "redshift_range": [float(true.min()), float(true.max())],
            },
            "correction": asdict(self.found.correction),
            "before": self.metrics(self.found.before),
            "after": self.metrics(self.found.after),
        }

    def origin(self) -> str:
        """Return where the bundle comes from, in words."""
        data, old = self.dataset, self.bundle
        return (
            f"Recalibrated from {old.manifest.id} (manifest SHA-256 {old.sha256}) on {len(self.chosen.galaxies.true)} "
            f"labelled galaxies of {data.grid.release}, {data.name} (SHA-256 {data.sha256}). {ORIGIN[data.simulated]}"
        )

    def correction(self) -> str:
        """Return what was done to the redshifts, in words."""
        correction, wider = self.found.correction, ""
        if correction.is_none:
            return "Redshifts stay as they were: galaxies held back gain nothing by a correction."
        if self.bundle.bins is not None:
            wider = f", and densities have the temperature {correction.temperature:.2f} (above one they are wider)"
        return f"A redshift z becomes z {correction.shift:+.4f} (1 + z){wider}."

    def rows(self) -> list[tuple[str, ...]]:
        """Return prior, measure, before and after, with errors, row by row."""
        before, rows = self.metrics(self.found.before), list[tuple[str, ...]]()
        for prior, measures in self.metrics(self.found.after).items():
            for name, after in measures.items():
                how = ".1%" if name.startswith("coverage") else "+.4f"
                pairs = before[prior][name], after
                cells = [f"{value:{how}} +- {error:{how.lstrip('+')}}" for value, error in pairs]
                rows.append((prior, _WORDS[name], *cells))
        return rows

    def card(self, manifest: Manifest) -> str:
        """Return the card of the new bundle: this report, and then the card of the old one."""
        true = self.chosen.galaxies.true
        table = markdown_table(("prior", "", "before", "after, cross-validated"), self.rows())
        return f"""**{self.origin()}**

# {manifest.name} {manifest.version}

## Recalibration

Intervals were set anew by labelled galaxies at redshifts from {true.min():.3f} to \
{true.max():.3f}. {self.correction()}
{self.chosen.no_galaxies} rows that the model takes for no galaxy were left out, and {self.chosen.without} \
that get no redshift.

{table}

The intervals hold their share of galaxies such as the labelled ones: as bright, at such redshifts, chosen in that way.
Quality flags are those of the model it began with.

What follows is the card of {self.bundle.manifest.id}: its numbers are that model's.

{self.bundle.read(CARD_FILE).decode()}"""
