"""What a model says of labelled spectra, whatever kind of model it is. Imports `app.model` and `dataset`."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track

from app.bundle import MANIFEST, Bundle
from app.errors import InvalidInputError
from app.model import Model
from app.settings import Settings
from app.spectra import SpectrumBatch
from training.dataset import Dataset

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
    properties: Mapping[str, Column] = field(default_factory=dict)
    """Magnitude and the like, NaN where unknown."""
    density: NDArray[np.floating] | None = None
    """Shape (n, bins), probability per bin; None from a model that gives none."""
    bin_edges: Column | None = None
    """Shape (bins + 1,)."""
    scores: Mapping[str, Column] = field(default_factory=dict)
    """Scores of each galaxy's density, by name."""

    @property
    def inside68(self) -> NDArray[np.bool_]:
        """Whether the 68% interval holds the true redshift."""
        return np.asarray((self.lower68 <= self.true) & (self.true <= self.upper68))

    @property
    def inside95(self) -> NDArray[np.bool_]:
        """Whether the 95% interval holds the true redshift."""
        return np.asarray((self.lower95 <= self.true) & (self.true <= self.upper95))

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> "Predicted":
        """Return some galaxies, without their densities: what those say is in their scores."""
        columns = ("true", "point", "lower68", "upper68", "lower95", "upper95", "family")
        return Predicted(
            **{name: getattr(self, name)[chosen] for name in columns},
            properties={name: values[chosen] for name, values in self.properties.items()},
            scores={name: values[chosen] for name, values in self.scores.items()},
        )


def load_model(wanted: str) -> Model:
    """Load a bundle by its folder, or by its name in the folder of the models.

    Raises
    ------
    InvalidInputError
        If there is neither.
    InvalidBundleError
        If the bundle is not whole.
    """
    settings = Settings()
    for folder in (Path(wanted), settings.models / wanted):
        if (folder / MANIFEST).is_file():
            return Model(Bundle(folder, settings.bundle_public_key), settings)
    raise InvalidInputError(f"{wanted} is neither the folder of a bundle nor the name of one in {settings.models}")


def predict(model: Model, dataset: Dataset, rows: NDArray[np.intp]) -> tuple[Predicted, int]:
    """Predict some rows of a data set as the service would.

    Parameters
    ----------
    model : Model
    dataset : Dataset
    rows : ndarray of int, shape (n,)

    Returns
    -------
    predicted : Predicted
        Of the rows that the service gives a redshift.
    refused : int
        Number of those that it does not.

    Raises
    ------
    InvalidInputError
        If no row gets a redshift.
    """
    answers: dict[str, list[NDArray[Any]]] = {}
    starts = range(0, len(rows), _ROWS_AT_ONCE)
    console, silent = Console(stderr=True), not sys.stderr.isatty()
    for start in track(starts, f"{model.manifest.name} predicts", console=console, transient=True, disable=silent):
        found = model.predict(SpectrumBatch(dataset.flux[rows[start : start + _ROWS_AT_ONCE]])).redshifts
        for name in found.INTERVALS:
            answers.setdefault(name, []).append(getattr(found, name))
    columns = {name: np.concatenate(pieces) for name, pieces in answers.items()}
    answered = np.isfinite(columns["redshift"])
    if not answered.any():
        raise InvalidInputError(f"{model.manifest.id} gives none of the {len(rows)} spectra a redshift")
    kept = rows[answered]
    point, *limits = (columns[name][answered] for name in columns)
    lower68, upper68, lower95, upper95 = limits
    predicted = Predicted(
        true=dataset.redshift[kept].astype(np.float64),
        point=point,
        lower68=lower68,
        upper68=upper68,
        lower95=lower95,
        upper95=upper95,
        family=kept if dataset.parent is None else dataset.parent[kept],
        properties={name: values[kept].astype(np.float64) for name, values in dataset.properties.items()},
    )
    return predicted, int((~answered).sum())
