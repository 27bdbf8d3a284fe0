"""Quality flags: what to distrust in a redshift, and what they have learnt. Imports numpy.

Flags are bits of a number until they are written; they change no redshift. What no training galaxy looks like is found
from the fluxes alone, so that every model has that flag.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

QualityFlag = Literal[
    "low_signal",
    "outside_training_range",
    "out_of_distribution",
    "bimodal",
    "near_range_edge",
    "missing_band",
    "stellar_like",
    "noise_mismatch",
]
FLAGS: tuple[QualityFlag, ...] = get_args(QualityFlag)
"""Bit i of an answer's flags stands for the flag i."""

EDGE_WIDTH = 0.02
"""Redshifts this close to an end of the training range are pulled inwards (UGC distrusts the same ends)."""

VALLEY = 0.5
"""Two peaks are two where the density between them falls below this share of the lower one."""
LESSER_MODE = 0.1
"""Probability that the lesser of two modes must hold: below it the 68% interval would ignore it anyway."""

STELLAR_KINDS = ("star", "quasar", "blend")
"""Kinds in which the light of a point source is seen; blank sky is another flag's business."""


@dataclass(frozen=True, slots=True)
class QualityParameters:
    """What the flags have learnt from training galaxies; the section `quality` of ``calibration.json``.

    Galaxies are described by brightness, noise and the coordinates of the spectrum's shape in a basis of d - 4
    principal components. A mixture of g Gaussians says how likely features are among training galaxies.
    """

    mean_shape: list[float]
    """Of spectra divided by their root mean square, 186 values."""
    components: list[list[float]]
    """Principal components of the shapes, d - 4 rows of 186."""
    feature_mean: list[float]
    feature_sd: list[float]
    """Standardise the d features before the mixture sees them."""
    weights: list[float]
    """Of the g Gaussians, summing to one."""
    centres: list[list[float]]
    """Shape (g, d), in standardised features."""
    whitening: list[list[list[float]]]
    """Shape (g, d, d): turns a deviation from a centre, multiplied from the left, into one of unit covariance."""
    likelihood_min: float
    """A spectrum whose ln likelihood, given its brightness, is lower is out of distribution."""
    signal_to_noise_min: float
    """Of the spectrum's root mean square over that of what the components leave."""
    stellar_probability_max: float | None = None
    """Largest probability of the `STELLAR_KINDS` that a galaxy may have; None where the network does not say."""

    def refuse_misfit(self, samples: int) -> None:
        """Raise ValueError unless the shapes belong together, and the Gaussians have a width."""
        features, gaussians = len(self.feature_mean), len(self.weights)
        shapes = {
            "mean_shape": (samples,),
            "components": (features - 4, samples),
            "feature_sd": (features,),
            "centres": (gaussians, features),
            "whitening": (gaussians, features, features),
        }
        for name, shape in shapes.items():
            found = np.shape(np.array(getattr(self, name)))  # raises ValueError where rows differ in length
            if found != shape:
                raise ValueError(f"{name} has the shape {found}, not {shape}")
        if not np.linalg.det(np.array(self.whitening)).all():
            raise ValueError("whitening has no inverse")


@cache
def flag_names(bits: int) -> tuple[QualityFlag, ...]:
    """Return the names of the flags in a number of an answer, in the order of `FLAGS`."""
    return tuple(flag for bit, flag in enumerate(FLAGS) if bits >> bit & 1)


def possible_flags(parameters: QualityParameters | None, *, density: bool) -> tuple[QualityFlag, ...]:
    """Return the flags that a model can give."""
    impossible: set[QualityFlag] = set()
    if not density:
        impossible |= {"bimodal", "stellar_like"}
    if parameters is None:
        impossible |= {"low_signal", "stellar_like", "noise_mismatch"}
    elif parameters.stellar_probability_max is None:
        impossible |= {"stellar_like"}
    return tuple(flag for flag in FLAGS if flag not in impossible)
