"""Compute the least possible redshift error of simulated spectra, from an exact posterior.

    python benchmarks/limit.py [--models NAME ...] [--galaxies N] [--library N] [--workers N]

For each test galaxy (of parents not used in training) the covariance of the noise is known exactly. A library of
noise-free galaxies of the training part's parents, distributed as the survey's, is weighted by the likelihood of the
observed spectrum: the weighted redshifts are the posterior, without a network. The brightness is integrated over
(Laplace's method), so that each library galaxy represents others of about its own brightness (`SPREAD`).

With few library galaxies near a spectrum the posterior is too narrow, and its median is less accurate than possible. So
the least possible error is between the error that the posterior expects and the error that it has, and both converge as
the library grows. The posterior uses the noise level of each spectrum, which a network must estimate: that can only
lower the bound. Prints the tables of docs/explanation/density-network.md. On a GPU (``KERAS_BACKEND=jax``) the defaults
take three minutes; in that time two cores compare a thousand galaxies with a library of a million.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from known_noise import SEEDS, clean, observe
from numpy.typing import NDArray
from robustness import answers

from training.calibration.reference import brightness, quantile
from training.data.parts import PERCENT
from training.evaluation.figures import figure
from training.evaluation.metrics import measure
from training.evaluation.predicted import load_model
from training.simulation import population
from training.simulation.dataset import BLOCK_ROWS
from training.simulation.instrument import FloatArray, SingleArray, kept_matrix

DIRECTIONS = 75
"""Directions of the 186 samples; the others have hardly any independent noise or light (see `whitened`)."""
BINS = 600
EDGES = np.linspace(0, population.REDSHIFT_LIMIT, BINS + 1)
SPREAD = 0.3
"""Scatter in ln of the brightness of the galaxies that one of the library stands for: the wider, the fewer are needed,
and the less of what brightness tells about the redshift is used."""
CHUNK = 1 << 18
"""Library galaxies weighted at a time."""
POINT = "dissertation-cnn"
"""The model that sets the target."""


def shapes(onto: FloatArray, index: int) -> tuple[SingleArray, SingleArray, SingleArray]:
    """Return redshifts, ln RP peaks, and projected spectra over their peaks, shape (n, 75), of one block."""
    block, _ = clean("train", SEEDS["library"], index)
    samples = block.samples()
    peak = samples[:, -kept_matrix("RP").shape[1] :].max(axis=1, keepdims=True)
    ln_peak = np.log(peak[:, 0]).astype(np.float32)
    return block.redshift.astype(np.float32), ln_peak, (samples / peak @ onto).astype(np.float32)


def directions(covariance: FloatArray) -> FloatArray:
    """Return the orthonormal directions along which errors are not negligible, shape (186, 75)."""
    _, vectors = np.linalg.eigh(covariance[:200].mean(axis=0))
    return np.asarray(vectors[:, -DIRECTIONS:])


def library(count: int, workers: int, onto: FloatArray) -> Iterator[tuple[SingleArray, SingleArray, SingleArray]]:
    """Yield redshifts, ln peaks, projected shapes of the training part, `CHUNK` galaxies at a time, `count` or more."""
    share = PERCENT["train"] / 100
    blocks = int(np.ceil(1.05 * (count + CHUNK) / (BLOCK_ROWS * share)))
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        waiting: list[tuple[SingleArray, SingleArray, SingleArray]] = []
        given = 0
        for block in pool.map(partial(shapes, onto), range(blocks), chunksize=8):
            waiting.append(block)
            if sum(len(redshift) for redshift, _, _ in waiting) >= CHUNK:
                whole = [np.concatenate(column) for column in zip(*waiting, strict=True)]
                redshift, ln_peak, shape = (column[:CHUNK] for column in whole)
                yield redshift, ln_peak, shape
                rest, ln_rest, shape_rest = (column[CHUNK:] for column in whole)
                waiting, given = [(rest, ln_rest, shape_rest)], given + CHUNK
            if given >= count:
                break
        pool.shutdown(cancel_futures=True)


def weigher() -> Any:
    """Return the function that weights one chunk of the library for every test galaxy."""
    import keras
    from keras import ops

    def weigh(shape: Any, number: Any, mean: Any, tests: tuple[Any, Any]) -> Any:
        """Return each test galaxy's largest log weight, and relative to it the weights by bin and their squares."""

        def one(test: tuple[Any, Any]) -> tuple[Any, Any, Any]:
            whiten, wanted = test
            white = ops.matmul(shape, whiten)
            power = ops.sum(ops.square(white), axis=1)
            level = ops.maximum(ops.matmul(white, wanted[:, None])[:, 0] / power, 1e-6)
            # From residuals: the difference of sums of squares would lose precision.
            misfit = ops.sum(ops.square(wanted - level[:, None] * white), axis=1)
            ln_level = ops.log(level)
            prior = -0.5 * ops.square((ln_level - mean) / SPREAD) - ln_level
            ln_weight = prior - 0.5 * misfit - 0.5 * ops.log(power)
            largest = ops.max(ln_weight)
            weight = ops.exp(ln_weight - largest)
            return largest, ops.segment_sum(weight, number, BINS), ops.sum(ops.square(weight))

        return ops.map(one, tests)

    if keras.backend.backend() == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "highest")
        return jax.jit(weigh)
    import tensorflow

    return tensorflow.function(weigh)


class Posterior:
    """The posterior of each test galaxy from the library so far; arrays of n rows."""

    def __init__(self, count: int) -> None:
        self.largest = np.full(count, -np.inf)
        self.weight = np.zeros((count, BINS))
        self.squares = np.zeros(count)

    def add(self, largest: FloatArray, weight: FloatArray, squares: FloatArray) -> None:
        """Add a chunk's weights, each relative to its own largest."""
        top = np.maximum(self.largest, largest)
        old, new = np.exp(self.largest - top), np.exp(largest - top)
        self.weight = self.weight * old[:, None] + weight * new[:, None]
        self.squares = self.squares * old**2 + squares * new**2
        self.largest = top

    def medians(self) -> tuple[FloatArray, FloatArray]:
        """Return the median redshifts, and their absolute errors as expected by the posterior, both of shape (n,)."""
        density = self.weight / self.weight.sum(axis=1, keepdims=True)
        point = quantile(density, EDGES, 0.5)
        centre = (EDGES[1:] + EDGES[:-1]) / 2
        return point, (density * np.abs(centre - point[:, None])).sum(axis=1)

    def effective(self) -> FloatArray:
        """Return the effective number of library galaxies, shape (n,)."""
        return np.asarray(self.weight.sum(axis=1) ** 2 / self.squares)


def main() -> None:
    """Simulate, weigh, compare, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="*", default=["default", POINT])
    parser.add_argument("--galaxies", type=int, default=4000)
    parser.add_argument("--library", type=int, default=8_000_000)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--figures", type=Path, help="folder for the figure")
    options = parser.parse_args()
    from keras import ops

    tests = observe(options.galaxies)
    onto = directions(tests.covariance)
    whiten = np.stack([np.linalg.inv(np.linalg.cholesky(onto.T @ each @ onto)).T for each in tests.covariance])
    wanted = np.einsum("nk,nkj->nj", tests.flux @ onto, whiten)
    given = tuple(ops.convert_to_tensor(each.astype(np.float32)) for each in (whiten, wanted))
    quarter = np.digitize(bright := brightness(tests.flux), np.quantile(bright, [0.25, 0.5, 0.75]))
    print("| | effective number | MAE expected | MAE found | NMAD | MAE expected, by quarter | found |")
    print("|---|---|---|---|---|---|---|", flush=True)

    weigh, posterior = weigher(), Posterior(len(tests.redshift))
    curve: list[tuple[int, float, float]] = []
    seen = 0
    for redshift, ln_peak, shape in library(options.library, options.workers, onto):
        number = np.minimum(redshift / population.REDSHIFT_LIMIT * BINS, BINS - 1).astype(np.int32)
        posterior.add(*(np.asarray(each, np.float64) for each in weigh(shape, number, ln_peak, given)))
        seen += len(redshift)
        if (seen // CHUNK).bit_count() == 1 or seen >= options.library:
            point, expected = posterior.medians()
            row(f"{seen:,} library galaxies", tests.redshift, point, quarter, posterior)
            curve.append((seen, float(expected.mean()), float(np.abs(point - tests.redshift).mean())))
    errors = {}
    for name in options.models:
        model = load_model(name)
        point = answers(model, tests.flux).redshift
        answered = np.isfinite(point)  # a model refuses what is beyond its range
        true, point = tests.redshift[answered], point[answered]
        row(f"`{model.manifest.id}`", true, point, quarter[answered])
        errors[name] = float(np.abs(point - true).mean())
    if options.figures:
        goal = {f"15% below {POINT}": 0.85 * errors[POINT]} if POINT in errors else {}
        draw(options.figures, curve, errors | goal)


def row(
    name: str, true: FloatArray, point: FloatArray, quarter: NDArray[np.intp], known: Posterior | None = None
) -> None:
    """Print the errors of redshifts, and for a posterior also those that it expects."""
    found, error = measure(true, point), np.abs(point - true)
    cells = ["", "", ""]
    if known is not None:
        expected = known.medians()[1]
        typical = quarters(known.effective(), quarter, np.median, "{:,.0f}")
        cells = [typical, f"{expected.mean():.4f}", quarters(expected, quarter)]
    print(
        f"| {name} | {cells[0]} | {cells[1]} | {found['mae']:.4f} | {found['nmad']:.4f} | {cells[2]} | "
        f"{quarters(error, quarter)} |",
        flush=True,
    )


def quarters(
    values: FloatArray,
    quarter: NDArray[np.intp],
    summary: Callable[[FloatArray], Any] = np.mean,
    style: str = "{:.4f}",
) -> str:
    """Return the mean, or another summary, of each quarter in brightness, the faintest first."""
    return ", ".join(style.format(summary(values[quarter == one])) for one in range(4))


def draw(folder: Path, curve: list[tuple[int, float, float]], errors: dict[str, float]) -> None:
    """Draw the posterior's errors against the size of the library, with the models' errors."""
    from matplotlib.ticker import NullFormatter

    size, expected, found = zip(*curve, strict=True)
    with figure("limit", folder, figsize=(9, 4), layout="constrained") as axes:
        axes.fill_between(size, expected, found, color="0.9")
        axes.plot(size, found, "o-", label="error that the posterior makes")
        axes.plot(size, expected, "s-", label="error that it expects")
        for number, (name, error) in enumerate(errors.items(), start=2):
            axes.axhline(error, color=f"C{number}", linestyle="--", label=name)
        axes.set(xscale="log", xlabel="library galaxies", ylabel="mean absolute error in z")
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    (folder / "limit.svg").unlink()


if __name__ == "__main__":
    main()
