"""What a model answers for labelled spectra, whatever kind of model it is. Imports `predictor` and `data`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from gaia_redshift.bundle import MANIFEST, SHIPPED_MODELS
from gaia_redshift.errors import InvalidInputError
from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.result import COLUMNS, AnswerOptions, Redshifts
from gaia_redshift.predictor import Predictor
from training.data.dataset import Dataset

Column = NDArray[np.float64]

_ROWS_AT_ONCE = 2048


@dataclass(frozen=True, slots=True)
class Predicted:
    """Galaxies with true and predicted redshift; every array has shape (n,) but for the density."""

    true: Column
    point: Column
    lower68: Column
    upper68: Column
    lower95: Column
    upper95: Column
    family: NDArray[np.int64]
    """Galaxies with the same number are not independent: they were simulated from one parent."""
    flags: NDArray[np.int32] | None = None
    """Bit i is the quality flag i of `interpretation.quality.FLAGS`; None where the predictor gives none."""
    properties: Mapping[str, Column] = field(default_factory=dict)
    """Magnitude and the like, NaN where unknown."""
    density: NDArray[np.floating] | None = None
    """Shape (n, bins), probability per bin; None from a model that gives none."""
    bin_edges: Column | None = None
    """Shape (bins + 1,)."""
    scores: Mapping[str, Column] = field(default_factory=dict)
    """CRPS and CDE loss of the densities."""
    pit: Column | None = None
    """Probability integral transform of the densities."""

    @property
    def inside68(self) -> NDArray[np.bool_]:
        """Whether the 68% interval holds the true redshift."""
        return np.asarray((self.lower68 <= self.true) & (self.true <= self.upper68))

    @property
    def inside95(self) -> NDArray[np.bool_]:
        """Whether the 95% interval holds the true redshift."""
        return np.asarray((self.lower95 <= self.true) & (self.true <= self.upper95))

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Predicted":
        """Return some galaxies, with the scores of their densities but not the densities themselves."""
        columns = ("true", "point", "lower68", "upper68", "lower95", "upper95", "family")
        return Predicted(
            **{name: getattr(self, name)[chosen] for name in columns},
            properties={name: values[chosen] for name, values in self.properties.items()},
            scores={name: values[chosen] for name, values in self.scores.items()},
            flags=None if self.flags is None else self.flags[chosen],
        )


def load_model(wanted: str, models: Path = SHIPPED_MODELS) -> Predictor:
    """Load a bundle by its folder, or by its name in the folder of the models; raises as `Predictor`."""
    folder = Path(wanted)
    return Predictor(folder if (folder / MANIFEST).is_file() else wanted, models=models)


def predict(
    model: Predictor, dataset: Dataset, rows: NDArray[np.intp], prior: PriorName = "survey", *, corrected: bool = True
) -> tuple[Predicted, int]:
    """Predict some rows of a data set as the service would, a density under a prior.

    By its column ``ebv`` the spectra are corrected for dust, unless they are not to be.

    Returns the rows that get a redshift, and the number of those that do not. Raises InvalidInputError if none gets
    one, UnsupportedByModelError if a point model is asked for another prior than `survey`.
    """
    grid = model.bundle.bins
    asked = AnswerOptions(prior, pdf=grid is not None)
    model.check(asked)
    parts: list[Redshifts] = []
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    console, silent = Console(stderr=True), not sys.stderr.isatty()
    for start in track(starts, f"{model.manifest.name} predicts", console=console, transient=True, disable=silent):
        batch = dataset.batch(rows[start : start + _ROWS_AT_ONCE])
        parts.append(model.predict(batch if corrected else replace(batch, ebv=None, problems={}), asked).redshifts)
    found = Redshifts.join(parts)
    answered = np.isfinite(found.redshift)
    if not answered.any():
        raise InvalidInputError(f"{model.manifest.id} gives none of the {len(rows)} spectra a redshift")
    kept = rows[answered]
    density = None if grid is None or found.pdf is None else found.pdf[answered] * grid.widths
    point, lower68, upper68, lower95, upper95 = (getattr(found, name)[answered] for name in COLUMNS)
    predicted = Predicted(
        true=dataset.redshift[kept].astype(np.float64),
        point=point,
        lower68=lower68,
        upper68=upper68,
        lower95=lower95,
        upper95=upper95,
        family=kept if dataset.parent is None else dataset.parent[kept],
        properties={name: values[kept].astype(np.float64) for name, values in dataset.properties.items()},
        # Rounded as they are served, densities sum to one no longer exactly.
        density=None if density is None else density / density.sum(axis=1, keepdims=True),
        bin_edges=grid.edges if grid else None,
        flags=found.flags[answered],
    )
    return predicted, int((~answered).sum())
