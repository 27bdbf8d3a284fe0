"""Quality flags as bits, in `keras.ops`. Imports keras, and `interpretation` and `spectra` of the project.

Each flag is decided from the fluxes, the posterior, or the network's probabilities of the kinds of source; flags do not
change the redshift. Every criterion is written as a number that is below a limit where the flag is raised, so that all
are evaluated in one comparison.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops
from numpy.typing import NDArray

from gaia_redshift.engine.likeness import Likeness
from gaia_redshift.engine.tensor import Tensor
from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.interpretation.noise import LEFT, TRANSITS, of_one_transit
from gaia_redshift.interpretation.quality import EDGE_WIDTH, FLAGS, STELLAR_KINDS, QualityFlag
from gaia_redshift.spectra import Grid

_Question = tuple[QualityFlag, int, int, float]
"""Flag, column, sign and limit: the flag is raised where column times sign is below the limit."""


class Flags:
    """A model's flags.

    Parameters
    ----------
    calibration : Calibration
    redshift_range : tuple of float
        Range of the training galaxies.
    grid : Grid
    """

    def __init__(self, calibration: Calibration, redshift_range: tuple[float, float], grid: Grid) -> None:
        self._low, self._high = np.array([calibration.flux_min, calibration.flux_max], np.float32)
        self._redshift_range, self._grid = redshift_range, grid
        self._counts = _counts(grid)
        self._transits, self._limits = _transits(grid)
        self._parameters = calibration.quality
        self._likeness = None if calibration.quality is None else Likeness(calibration.quality)
        self._stellar = np.array([[name in STELLAR_KINDS] for name in calibration.kinds or ()], np.float32)

    def __call__(self, flux: Tensor, redshift: Tensor, valley: Tensor = None, kind: Tensor = None) -> Tensor:
        """Return the flags of n spectra, int32 of shape (n,): bit i is the flag i of `FLAGS`.

        Parameters
        ----------
        flux : tensor of float32, shape (n, samples)
            e-/s per sample, finite.
        redshift : tensor of float64, shape (n, 1)
            Point estimates.
        valley : tensor of float32, shape (n, 1), optional
            Negative where the density is bimodal.
        kind : tensor of float32, shape (n, kinds), optional
            Probability of each kind of source.
        """
        low, high = self._redshift_range
        steps = flux[:, 1:] - flux[:, :-1]
        questions = _Questions()
        questions.ask(self._count(flux, steps), self._of_counts())
        edges = (1, low + EDGE_WIDTH), (-1, EDGE_WIDTH - high)
        questions.ask(ops.cast(redshift, "float32"), [("near_range_edge", 0, sign, limit) for sign, limit in edges])
        if valley is not None:
            questions.ask(valley, [("bimodal", 0, 1, 0.0)])
        if self._parameters is not None and self._likeness is not None:
            noise, left, likelier = self._likeness(flux, steps)
            questions.ask(noise, [("low_signal", 0, -1, -(self._parameters.signal_to_noise_min**-2))])
            beyond = ops.matmul(ops.concatenate([flux, left], axis=1), self._transits)
            questions.ask(beyond, [("noise_mismatch", column, 1, limit) for column, limit in enumerate(self._limits)])
            questions.ask(likelier, [("out_of_distribution", 0, 1, 0.0)])
            if kind is not None and self._parameters.stellar_probability_max is not None:
                stellar = ops.matmul(kind, self._stellar)
                questions.ask(stellar, [("stellar_like", 0, -1, -self._parameters.stellar_probability_max)])
        return questions.bits()

    def _count(self, flux: Tensor, steps: Tensor) -> Tensor:
        """Count the nonzero fluxes of BP and of RP, their nonzero steps, and the fluxes outside the training range."""
        beyond = ops.minimum(ops.maximum(flux, self._low), self._high) - flux
        values = ops.concatenate([flux, steps, beyond], axis=1)
        return ops.matmul(ops.cast(ops.cast(values, "bool"), "float32"), self._counts)

    def _of_counts(self) -> list[_Question]:
        """Return the criteria of a missing band: half of its fluxes are zero, or all are equal."""
        lit = [band.count // 2 + 0.5 for band in (self._grid.bp, self._grid.rp)]
        missing: list[_Question] = [("missing_band", column, 1, limit) for column, limit in enumerate((*lit, 0.5, 0.5))]
        # Then the spectrum is also out of distribution.
        unlike: list[_Question] = [("out_of_distribution", *question[1:]) for question in missing]
        return [*missing, *unlike, ("outside_training_range", 4, -1, -0.5)]


class _Questions:
    """Collects columns of numbers per spectrum, and the criteria that raise flags from them."""

    def __init__(self) -> None:
        self._columns: list[Tensor] = []
        self._asked: list[_Question] = []
        self._width = 0

    def ask(self, columns: Tensor, questions: Sequence[_Question]) -> None:
        """Add columns, float32 of shape (n, width), and criteria, whose column numbers count from the first of them."""
        self._asked += [(flag, self._width + column, sign, limit) for flag, column, sign, limit in questions]
        self._columns.append(columns)
        self._width += columns.shape[1]

    def bits(self) -> Tensor:
        """Return the flags raised, int32 of shape (n,)."""
        signs = np.zeros((self._width, len(self._asked)), np.float32)
        raised = np.zeros((len(self._asked), len(FLAGS)), np.float32)
        for number, (flag, column, sign, _) in enumerate(self._asked):
            signs[column, number] = sign
            raised[number, FLAGS.index(flag)] = 1
        limits = np.array([limit for *_, limit in self._asked], np.float32)
        yes = ops.matmul(ops.concatenate(self._columns, axis=1), signs) < limits
        count = ops.matmul(ops.cast(yes, "float32"), raised)
        weights = 2 ** np.arange(len(FLAGS), dtype=np.float32)[:, None]
        bits = ops.matmul(ops.minimum(count, np.float32(1)), weights)
        return ops.squeeze(ops.cast(bits, "int32"), axis=1)


def _counts(grid: Grid) -> NDArray[np.float32]:
    """Return the matrix that counts in `Flags._count`."""
    bp, samples = grid.bp.count, grid.samples
    weights = np.zeros((3 * samples - 1, 5), np.float32)
    weights[:bp, 0] = weights[bp:samples, 1] = 1
    weights[samples : samples + bp - 1, 2] = weights[samples + bp : 2 * samples - 1, 3] = 1
    weights[2 * samples - 1 :, 4] = 1
    return weights


def _transits(grid: Grid) -> tuple[NDArray[np.float32], list[float]]:
    """Return the matrix from fluxes and the mean square of their noise to two numbers, and the limits of both.

    The first is below its limit where the noise is larger than that of the fewest transits, the second where it is
    smaller than that of the most.
    """
    expected, share = of_one_transit(grid), LEFT / np.array(TRANSITS) * [1, -1]
    weights = np.concatenate([expected.weights[:, None] * share, [[-1, 1]]])
    return weights.astype(np.float32), (-expected.constant * share).tolist()
