"""Measurements of a bundle on the test parts, through the predictor that users call. Imports `evaluation`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gaia_redshift.interpretation.prior import PriorName
from gaia_redshift.interpretation.quality import FLAGS, QualityFlag
from gaia_redshift.predictor import Predictor
from training.data.kinds import KINDS
from training.data.material import Galaxies, Material
from training.evaluation import binned
from training.evaluation.densities import kolmogorov_smirnov
from training.evaluation.judge import scored
from training.evaluation.metrics import RELEASED, measure
from training.evaluation.predicted import Predicted, predict

_PART_OF_OTHERS = "validation"
"""The only part of the sources that are not galaxies that the network was not trained on."""


@dataclass(frozen=True, slots=True)
class UnderPrior:
    """Galaxies of a test part under one prior."""

    galaxies: Predicted
    metrics: Mapping[str, float]
    """Those of `RELEASED` that the model's output allows."""
    flagged: Mapping[QualityFlag, float]
    refused: int = 0
    """Galaxies of the part that got no redshift."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What was measured."""

    priors: Mapping[PriorName, UnderPrior]
    """The survey's prior on the survey's test part and, of a density, the flat prior on that of the balance set."""
    constant: Mapping[str, float]
    """Metrics of answering the survey's median redshift for every galaxy."""
    others: Mapping[str, Mapping[QualityFlag, float]]
    """By kind of source, the fraction of the validation part with each flag."""


def examine(model: Predictor, material: Material) -> Tested:
    """Measure a calibrated model on the test parts of what it was trained on."""
    survey = material.survey
    names: tuple[PriorName, ...] = ("survey", "flat")
    constant = np.full(len(survey.parts.test), np.median(survey.redshift("train")))
    others = material.others.get(_PART_OF_OTHERS)
    found = {} if others is None else {name: model.answer(others.of_kind(name).flux).flags for name in KINDS[1:]}
    return Tested(
        priors={prior: _under(model, each, prior) for prior, each in zip(names, material.galaxies, strict=False)},
        constant=measure(survey.redshift("test"), constant),
        others={name: _fractions(flags, model.bundle.flags) for name, flags in found.items()},
    )


def _under(model: Predictor, held: Galaxies, prior: PriorName) -> UnderPrior:
    predicted, refused = predict(model, held.dataset, held.parts.test, prior, corrected=False)
    galaxies = scored(predicted)
    values = binned.metrics(galaxies) | ({} if galaxies.pit is None else {"pit_ks": kolmogorov_smirnov(galaxies.pit)})
    metrics = {name: values[name] for name in RELEASED if name in values}
    flags = np.zeros(0, np.int32) if galaxies.flags is None else galaxies.flags
    return UnderPrior(galaxies, metrics, _fractions(flags, model.bundle.flags), refused)


def _fractions(flags: NDArray[np.int32], known: tuple[QualityFlag, ...]) -> dict[QualityFlag, float]:
    return {flag: float((flags >> FLAGS.index(flag) & 1).mean()) for flag in known}
