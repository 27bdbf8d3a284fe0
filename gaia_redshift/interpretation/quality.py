"""Quality flags: reasons to distrust a redshift, and the flags' parameters. Imports numpy.

Flags are bits of an integer until they are written; they do not change the redshift. Whether a spectrum is out of
distribution is decided from the fluxes alone, so every model has that flag.
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
"""Bit i of an answer's flags is flag i."""

EDGE_WIDTH = 0.02
"""Predictions this close to an end of the training range are biased inwards (UGC distrusts the same ends)."""

VALLEY = 0.5
"""Two peaks are separate modes if the density between them falls below this fraction of the lower peak."""
LESSER_MODE = 0.1
"""Least probability of the smaller of two modes; a smaller one does not affect the 68% interval."""

STELLAR_KINDS = ("star", "quasar", "blend")
"""Kinds of source whose light is that of a point source; blank sky has its own flag."""


@dataclass(frozen=True, slots=True)
class QualityParameters:
    """Parameters of the flags, from training galaxies; the section `quality` of ``calibration.json``.

    The d features of a galaxy are brightness and noise (four) and the coordinates of the spectrum's shape in a basis of
    d - 4 principal components. A mixture of g Gaussians gives their likelihood among training galaxies.
    """

    mean_shape: list[float]
    """Mean of spectra divided by their root mean square, 186 values."""
    components: list[list[float]]
    """Principal components of the shapes, d - 4 rows of 186."""
    feature_mean: list[float]
    feature_sd: list[float]
    """Mean and standard deviation that standardise the d features for the mixture."""
    weights: list[float]
    """Weights of the g Gaussians, summing to one."""
    centres: list[list[float]]
    """Centres of the Gaussians in standardised features, shape (g, d)."""
    whitening: list[list[list[float]]]
    """Whitening matrices, shape (g, d, d); a deviation from a centre, times the matrix, has unit covariance."""
    likelihood_min: float
    """Spectra with a lower ln likelihood, given their brightness, are out of distribution."""
    signal_to_noise_min: float
    """Limit of the root mean square of the spectrum over that of the residual from the components."""
    stellar_probability_max: float | None = None
    """Largest probability of `STELLAR_KINDS` for a galaxy; None if the network does not give it."""

    def refuse_misfit(self, samples: int) -> None:
        """Raise ValueError if the shapes do not match, or a Gaussian has no width."""
        features, gaussians = len(self.feature_mean), len(self.weights)
        shapes = {
            "mean_shape": (samples,),
            "components": (features - 4, samples),
            "feature_sd": (features,),
            "centres": (gaussians, features),
            "whitening": (gaussians, features, features),
        }
        for name, shape in shapes.items():
            found = np.shape(np.array(getattr(self, name)))  # raises ValueError if rows differ in length
            if found != shape:
                raise ValueError(f"{name} has shape {found}, not {shape}")
        if not np.linalg.det(np.array(self.whitening)).all():
            raise ValueError("whitening has no inverse")


@cache
def flag_names(bits: int) -> tuple[QualityFlag, ...]:
    """Return the names of the flags in the bits of an answer, in the order of `FLAGS`."""
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
