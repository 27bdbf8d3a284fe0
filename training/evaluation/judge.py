"""Everything that an evaluation finds. Imports `binned`, `densities`, `predicted` and `split`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.bundle import KERAS_FILE, Manifest
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.predictor import Predictor
from training.data.dataset import ORIGIN, Dataset
from training.data.split import ChosenRows, choose_rows
from training.evaluation import binned, densities
from training.evaluation.binned import BINNINGS, Group
from training.evaluation.metrics import Bin, by_redshift
from training.evaluation.predicted import Predicted, predict
from training.recipes import HISTORY_FILE

_ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found."""

    manifest: Manifest
    dataset: Dataset
    chosen: ChosenRows
    prior: PriorName | None
    """What the densities were weighted with; None for a point model."""
    refused: int
    """Galaxies that the model gives no redshift."""
    galaxies: Predicted
    overall: Group
    table_3: Sequence[Bin]
    binned: Mapping[str, Sequence[Group]]
    epochs: NDArray[np.void] | None
    """Named columns of the training's ``history.csv``; None if the bundle has none."""

    @property
    def model(self) -> str:
        """Name and version."""
        return f"{self.manifest.name} {self.manifest.version}"

    @property
    def how(self) -> str:
        """Which galaxies of which file, and whether they were corrected for dust."""
        corrected = ", corrected for dust by ebv" if "ebv" in self.dataset.properties else ""
        return f"{self.chosen.how} of {self.dataset.name}{corrected}"

    @property
    def density(self) -> dict[str, object] | None:
        """What only densities have."""
        pit = self.galaxies.pit
        if pit is None:
            return None
        pairs = zip(densities.LEVELS, densities.reliability(pit), strict=True)
        return {
            "pit_ks": densities.kolmogorov_smirnov(pit),
            "reliability": [{"level": float(level), "observed": float(observed)} for level, observed in pairs],
        }

    def sentences(self) -> list[str]:
        """Return what a reader has to know about the numbers."""
        data = self.dataset
        left_out = "".join(f" Left out: {reason}." for reason in data.left_out())
        refused = f" {self.refused:,} of them got no redshift." if self.refused else ""
        unit = "spectra" if data.parent is None else "parent galaxies, whose spectra resemble each other"
        return [
            f"Predictor: {self.model}. {self.manifest.description}",
            *([f"Prior: {self.prior}."] if self.prior else []),
            f"Data: {self.how}. {ORIGIN[data.simulated]}{refused}{left_out}",
            f"Errors: standard deviation over {binned.BOOTSTRAPS} bootstrap samples of {unit}.",
            *([self.chosen.warning] if self.chosen.warning else []),
        ]

    def as_dict(self) -> dict[str, object]:
        """Return all numbers, for ``metrics.json``; None stands for what cannot be measured."""
        data = self.dataset
        return {
            "model": {
                **self.manifest.model_dump(include={"name", "version", "output"}),
                "prior": self.prior,
                "network_sha256": self.manifest.files[KERAS_FILE].sha256,
            },
            "data": {
                "name": data.name,
                "sha256": data.sha256,
                "simulated": data.simulated,
                "part": self.chosen.part,
                "galaxies": self.overall.count,
                "without_redshift": self.refused,
                "left_out": dict(data.dropped),
                "warning": self.chosen.warning,
            },
            "bootstrap": {
                "samples": binned.BOOTSTRAPS,
                "seed": binned.SEED,
                "of": "spectra" if data.parent is None else "parent galaxies",
            },
            "overall": asdict(self.overall),
            "table_3": [
                {name: value if math.isfinite(value) else None for name, value in asdict(row).items()}
                for row in self.table_3
            ],
            "binned": {name: [asdict(group) for group in groups] for name, groups in self.binned.items()},
            "density": self.density,
        }


def judge(model: Predictor, dataset: Dataset, part: str | None, prior: PriorName = "survey") -> Evaluation:
    """Predict one of `PARTS`, "all", or by default the test part where one is known, under a prior, and measure.

    Raises as `choose_rows` and `predict`.
    """
    chosen = choose_rows(dataset, model.manifest.training, part)
    galaxies, refused = predict(model, dataset, chosen.rows, prior)
    galaxies = scored(galaxies)
    groups = {name: binned.by(name, galaxies) for name in BINNINGS}
    return Evaluation(
        manifest=model.manifest,
        dataset=dataset,
        chosen=chosen,
        prior=prior if galaxies.density is not None else None,
        refused=refused,
        galaxies=galaxies,
        overall=binned.overall(galaxies),
        table_3=by_redshift(galaxies.true, galaxies.point),
        binned={name: found for name, found in groups.items() if found},
        epochs=_history(model.bundle.read(HISTORY_FILE)) if HISTORY_FILE in model.manifest.files else None,
    )


def _history(content: bytes) -> NDArray[np.void]:
    return np.atleast_1d(np.genfromtxt(BytesIO(content), delimiter=",", names=True))


def scored(galaxies: Predicted) -> Predicted:
    """Return galaxies with the scores of their densities; those of a model without densities as they are."""
    if galaxies.density is None or galaxies.bin_edges is None:
        return galaxies
    functions = {"crps": densities.crps, "cde_loss": densities.cde_loss, "pit": densities.pit}
    found = {name: np.empty(len(galaxies.true)) for name in functions}
    for start in range(0, len(galaxies.true), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        for name, score in functions.items():
            found[name][rows] = score(galaxies.density[rows], galaxies.bin_edges, galaxies.true[rows])
    return replace(galaxies, pit=found.pop("pit"), scores=found)
