"""Measure how much of the error comes from noise: a network for each of several noise levels of the same galaxies.

    python benchmarks/light.py [--spectra N] [--levels 0 0.5 1 2] [--epochs N]

For each level the simulator draws the same galaxies with its noise times that factor, the `density` recipe is trained
on their training part, and the medians are tested on parents not used in training: a table of
docs/explanation/density-network.md. Some minutes a level; ONEDNN_DEFAULT_FPMATH_MODE=BF16 helps as for `train`.
"""

import argparse
import tempfile
from hashlib import sha256
from pathlib import Path
from unittest import mock

import numpy as np
from learning_curve import survey_medians

from training.calibration.reference import brightness
from training.data.dataset import Dataset
from training.data.material import Galaxies, gather
from training.data.parts import PARTS
from training.data.split import split
from training.evaluation.metrics import measure
from training.recipes.density import DensityRecipe
from training.simulation import noise
from training.simulation.dataset import BLOCK_ROWS, Recipe, Simulator
from training.trainer.fit import fit

SEEDS = {"survey": 41, "uniform": 42}


def main() -> None:
    """Simulate, train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spectra", type=int, default=200_000, help="of the survey; half as many uniform in redshift")
    parser.add_argument("--levels", type=float, nargs="*", default=(0.0, 0.25, 0.5, 1.0, 2.0))
    parser.add_argument("--epochs", type=int, default=6)
    options = parser.parse_args()
    print("| noise | MAE | NMAD | MAE, faintest quarter | brightest quarter |\n|---|---|---|---|---|", flush=True)
    for level in options.levels:
        found, quarters = error(level, options.spectra, DensityRecipe().changed({"epochs": options.epochs}))
        cells = " | ".join(f"{value:.4f}" for value in (found["mae"], found["nmad"], *quarters))
        print(f"| {level:g} | {cells} |", flush=True)


def error(level: float, count: int, recipe: DensityRecipe) -> tuple[dict[str, float], tuple[float, float]]:
    """Return the error of a network trained and tested at one level of noise, of all and of extreme brightnesses."""
    survey, uniform = simulated("survey", level, count), simulated("uniform", level, count // 2)
    material = gather(*(Galaxies(each, split(each, recipe.seed)) for each in (survey, uniform)))
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(material, recipe, Path(folder))
    flux, true = material.survey.flux("test"), material.survey.redshift("test")
    point = survey_medians(fitted, material, flux)
    bright = brightness(flux)
    low, high = np.quantile(bright, [0.25, 0.75])
    quarters = bright < low, bright > high
    return measure(true, point), tuple(measure(true[rows], point[rows])["mae"] for rows in quarters)


def simulated(distribution: str, level: float, count: int) -> Dataset:
    """Return galaxies with `level` times Gaia's noise; their light does not depend on it."""
    recipe = Recipe(count, SEEDS[distribution], distribution)
    drawn = noise.draw_coefficients
    with mock.patch.object(noise, "draw_coefficients", lambda *what: np.float32(level) * drawn(*what)):
        simulator = Simulator()
        blocks = [simulator.block(recipe, index) for index in range(-(-count // BLOCK_ROWS))]
    return Dataset(
        flux=np.concatenate([block.flux for block in blocks]).astype(np.float32),
        redshift=np.concatenate([block.redshift for block in blocks]).astype(np.float32),
        parent=np.concatenate([block.parent_id for block in blocks]).astype(np.int64),
        part=np.array(PARTS)[np.concatenate([block.part for block in blocks])],
        name=f"{distribution} with {level:g} times the noise",
        sha256=sha256(f"{recipe} {level}".encode()).hexdigest(),
        simulated=True,
    )


if __name__ == "__main__":
    main()
