"""Predict the redshift from the simulator's nuisance quantities alone: a table of docs/validation.md.

    python benchmarks/leak.py

A network that could measure extent, balance of the bands, noise and offsets in a spectrum could learn this much from
them. Real galaxies' brightness and size depend on redshift too; any other dependence is an artefact of the simulator.
"""

import sys
from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from training.simulation import brightness, constants, extent, noise, population
from training.simulation.instrument import BANDS, FloatArray
from training.simulation.seen import amplitude

COUNT = 40_000


@dataclass(frozen=True, slots=True)
class Told:
    """The result of a regression on some quantities."""

    share: float
    """Share of the variance of the redshifts, on galaxies that were not fitted."""
    mae: float
    """Mean absolute error there."""


def nuisances(redshift: FloatArray, rng: np.random.Generator) -> dict[str, FloatArray]:
    """Draw what the simulator draws besides light, and what galaxies are by the published relations: a bound on it."""
    count = len(redshift)
    seen = brightness.draw(redshift, rng)
    shapes, angle = seen.shapes, extent.scan_angles(count, rng)
    smear = {band: extent.smear(shapes, angle, band).astype(np.float64) for band in BANDS}
    held = {band: values.sum(axis=1, keepdims=True) for band, values in smear.items()}
    magnitude = seen.apparent[:, None]
    size = np.column_stack(
        [
            np.log(shapes.half_light),
            np.log(shapes.bulge_radius),
            np.log(shapes.disc_radius),
            shapes.bulge_share,
            shapes.bulge_axis_ratio,
            shapes.disc_axis_ratio,
            shapes.early,
        ]
    )
    own = np.column_stack([held["BP"] / held["RP"], _observation(count, rng)])
    share = np.hstack([np.sqrt(values) for values in smear.values()])
    flux = magnitude - 2.5 * np.log10(held["RP"] * amplitude(redshift)[:, None])
    return {
        "transits, excess of noise, position, background": own[:, 1:],
        "balance of the bands": own[:, :1],
        "brightness in the window": flux,
        "extent: the shares of the smear in both bands": share,
        "all": np.hstack([own, flux, share]),
        "bound: size, bulge, disc, axis ratios, type": size,
        "bound: magnitude": magnitude,
        "bound: magnitude, size, bulge, disc, axis ratios, type": np.hstack([magnitude, size]),
    }


def _observation(count: int, rng: np.random.Generator) -> FloatArray:
    """Draw transits, excess of noise, position and background, which are no galaxy's own, shape (count, 6)."""
    return np.column_stack(
        [
            np.log(population.draw_transits(count, rng)),
            noise.draw_excess(count, rng),
            rng.normal(0, constants.POSITION_JITTER_PX.value, (count, 2)),
            rng.normal(0, constants.BACKGROUND_OFFSET.value, (count, 2)),
        ]
    )


def learnt(numbers: FloatArray, redshift: FloatArray) -> Told:
    """Return what boosted trees, fitted to the first half, tell of the second."""
    half = len(redshift) // 2
    trees = HistGradientBoostingRegressor(random_state=1).fit(numbers[:half], redshift[:half])
    return score(trees.predict(numbers[half:]), redshift[half:])


def told(numbers: FloatArray, redshift: FloatArray) -> Told:
    """Return the result of a quadratic regression, fitted to the first half and tested on the second."""
    scaled = (numbers - numbers.mean(axis=0)) / numbers.std(axis=0)
    products = [scaled[:, [column]] * scaled[:, column:] for column in range(scaled.shape[1])]
    design = np.column_stack([np.ones(len(scaled)), scaled, *products])
    half = len(redshift) // 2
    weights = np.linalg.lstsq(design[:half], redshift[:half], rcond=None)[0]
    return score(design[half:] @ weights, redshift[half:])


def score(found: FloatArray, redshift: FloatArray) -> Told:
    """Return the share of the variance and the error of some redshifts."""
    error = found - redshift
    return Told(float(1 - (error**2).mean() / redshift.var()), float(np.abs(error).mean()))


def main() -> int:
    """Print the share of the variance and the error, by a quadratic and by boosted trees."""
    rng = np.random.default_rng(1)
    redshift = population.draw_redshift(COUNT, "survey", rng)
    half = COUNT // 2
    constant = np.abs(redshift[half:] - np.median(redshift[:half])).mean()
    print(f"{COUNT} galaxies of the survey's n(z), half fitted, half tested; a constant's MAE {constant:.4f}")
    print("\n| quantities | share of the variance, quadratic | boosted trees | MAE, boosted trees |\n|---|---|---|---|")
    for name, numbers in nuisances(redshift, rng).items():
        best = learnt(numbers, redshift)
        print(f"| {name} | {told(numbers, redshift).share:.2f} | {best.share:.2f} | {best.mae:.4f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
