"""Bias and coverage of a density model by predicted redshift, with errors that account for families of galaxies.

Part of `accuracy.py`. Galaxies simulated from one parent are not independent, so errors count the parents.
"""

from itertools import pairwise

import numpy as np

from gaia_redshift.predictor import Predictor
from training.calibration.intervals import tables
from training.calibration.reference import interval_ends
from training.data.dataset import Dataset
from training.evaluation.densities import pit
from training.evaluation.metrics import BIN_EDGES
from training.evaluation.predicted import Predicted, predict

FULL_BIN = 500
"""Least number of galaxies in a bin whose coverage is compared with its target."""
FEWEST = 100
"""The same for its bias, and for being shown."""
FOLDS = 5
MOST_HELD_OUT = 400_000


def by_prediction(model: Predictor, survey: Dataset, of_test: Predicted) -> None:
    """Print bias and coverage by predicted redshift with their errors, and the coverage over all held-out parents."""
    held, inside = cross_fitted(model, survey)
    densities, centre = density_of(held)
    mean = densities @ centre
    print(
        "\n| predicted z | galaxies | parents | mean error | 68% interval | 95% interval | held-out parents "
        "| mean error | the same of means | 68%, cross-fitted | 95%, cross-fitted |"
        "\n|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for low, high in pairwise(BIN_EDGES):
        here, there = ((low <= each.point) & (each.point < high) for each in (of_test, held))
        if here.sum() < FEWEST:
            continue
        families, known = of_test.family[here], held.family[there]
        errors = [clustered((of_test.point - of_test.true)[here], families)]
        errors += [clustered((held.point - held.true)[there], known)]
        by_mean = (low <= mean) & (mean < high)
        errors += [clustered((mean - held.true)[by_mean], held.family[by_mean])]
        tested = [clustered(values[here], families) for values in (of_test.inside68, of_test.inside95)]
        crossed = [clustered(values[there], known) for values in inside]
        shown = [[f"{value:.1%} ± {spread:.1%}" for value, spread in each] for each in (tested, crossed)]
        cells = [f"{low:.2f}-{high:.2f}", f"{here.sum():,}", f"{len(np.unique(families)):,}"]
        biases = ["{:+.4f} ± {:.4f}".format(*error) for error in errors]
        cells += [biases[0], *shown[0], f"{len(np.unique(known)):,}", *biases[1:], *shown[1]]
        print(f"| {' | '.join(cells)} |")


def density_of(found: Predicted) -> tuple[np.ndarray, np.ndarray]:
    """Return densities, shape (n, bins), and the middle of each bin."""
    if found.density is None or found.bin_edges is None:
        raise SystemExit("the model gives no density")
    return found.density, (found.bin_edges[1:] + found.bin_edges[:-1]) / 2


def cross_fitted(model: Predictor, survey: Dataset) -> tuple[Predicted, tuple[np.ndarray, np.ndarray]]:
    """Return galaxies of all held-out parents, and whether intervals fitted without their parent contain them.

    The test part has few parents at high redshift. Here all held-out parents are tested, of validation and test part
    together: the interval tables for each fifth of the parents are fitted on the other four.
    """
    rows = np.flatnonzero(survey.part != "train")[:MOST_HELD_OUT]
    found, flux = predict(model, survey, rows)[0], survey.flux[rows]
    if len(flux) != len(found.true) or found.density is None or found.bin_edges is None:
        raise SystemExit(f"{model.manifest.id} gives not every galaxy a density")
    level = pit(found.density, found.bin_edges, found.true)
    _, parent = np.unique(found.family, return_inverse=True)
    fold = np.random.default_rng(6).permutation(parent.max() + 1)[parent] % FOLDS
    calibration = model.bundle.calibration
    ends = np.empty((4, len(level)))
    for one in range(FOLDS):
        here, others = fold == one, fold != one
        learnt = tables(calibration.brightness_edges, flux[others], found.point[others], level[others], centre=0.5)
        changed = calibration.model_copy(update={"intervals": {"survey": learnt}})
        ends[:, here] = interval_ends(changed, "survey", flux[here], found.point[here])
    return found, ((ends[1] <= level) & (level <= ends[2]), (ends[0] <= level) & (level <= ends[3]))


def clustered(values: np.ndarray, family: np.ndarray) -> tuple[float, float]:
    """Return a mean and its standard error, with each family as one draw."""
    _, member = np.unique(family, return_inverse=True)
    mean = float(values.mean())
    return mean, float(np.sqrt(np.square(np.bincount(member, values - mean)).sum()) / len(values))
