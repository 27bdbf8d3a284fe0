"""Measure the density network's error by the size of the training set, with one test for all sizes.

    python benchmarks/learning_curve.py SURVEY.parquet UNIFORM.parquet OTHERS.parquet [--sizes N ...]

trains the `density` recipe on each number of spectra, two thirds from the survey and one third uniform in redshift, and
prints the table of docs/explanation/density-network.md; ``--model`` shows a shipped model beside them. It takes minutes
for each million spectra and epoch; ONEDNN_DEFAULT_FPMATH_MODE=BF16 halves that on processors with bfloat16.
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.data.dataset import read
from training.data.material import Galaxies, Material, gather
from training.data.split import split
from training.evaluation.metrics import measure
from training.evaluation.predicted import load_model, predict
from training.recipes.density import DensityRecipe
from training.trainer.fit import Fitted, fit

SIZES = (25_000, 50_000, 100_000, 200_000, 400_000)
SEEN = 1_200_000
"""Spectra in each training, including repetitions; it sets the number of epochs, within limits."""
EPOCHS = (3, 12)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("survey", "uniform", "others"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--model", help="a bundle to show as the last point")
    options = parser.parse_args()
    recipe = DensityRecipe()
    survey, uniform = read(options.survey), read(options.uniform)
    galaxies = [Galaxies(each, split(each, recipe.seed)) for each in (survey, uniform)]
    material = gather(*galaxies, options.others)
    print("| spectra | epochs | MAE | NMAD | MAE, new spectra of known galaxies |\n|---|---|---|---|---|", flush=True)
    for size in options.sizes:
        some, epochs = part_of(material, size), int(np.clip(round(SEEN / size), *EPOCHS))
        with tempfile.TemporaryDirectory() as folder:
            fitted = fit(some, recipe.changed({"epochs": epochs}), Path(folder))
        unseen, known = (
            errors(fitted, material, material.survey.parts.test),
            errors(fitted, material, left_over(some, material)),
        )
        print(f"| {size:,} | {epochs} | {unseen['mae']:.4f} | {unseen['nmad']:.4f} | {known['mae']:.4f} |", flush=True)
    if options.model:
        model = load_model(options.model)
        found = predict(model, survey, material.survey.parts.test)[0]
        unseen, size = measure(found.true, found.point), model.manifest.training.spectra["train"]
        print(f"| {size:,}, `{model.manifest.id}` | | {unseen['mae']:.4f} | {unseen['nmad']:.4f} | |", flush=True)


def part_of(material: Material, size: int) -> Material:
    """Return the material with fewer training spectra, in the same shares; validation and test are unchanged."""
    whole = material.counts()["train"]
    share = size / whole
    if share >= 1:
        raise SystemExit(f"the files hold {whole:,} galaxies to train on, not {size:,}")

    def fewer(rows: np.ndarray) -> np.ndarray:
        return rows[: int(len(rows) * share)]

    survey, balance = (
        replace(each, parts=replace(each.parts, train=fewer(each.parts.train))) for each in material.galaxies
    )
    others = material.others["train"]
    some = others.rows(fewer(np.random.default_rng(7).permutation(len(others))))
    return replace(material, survey=survey, balance=balance, others={**material.others, "train": some})


def left_over(some: Material, material: Material) -> np.ndarray:
    """Return as many galaxies as in the test, of the training's parents but not used in training."""
    return material.survey.parts.train[len(some.survey.parts.train) :][-len(material.survey.parts.test) :]


def errors(fitted: Fitted, material: Material, rows: np.ndarray) -> dict[str, float]:
    """Return the errors of the network's medians under the survey's prior."""
    survey = material.survey.dataset
    return measure(survey.redshift[rows], survey_medians(fitted, material, survey.flux[rows]))


def survey_medians(fitted: Fitted, material: Material, flux: np.ndarray) -> np.ndarray:
    """Return the medians of a density network under the survey's prior, shape (n,)."""
    recipe, density = fitted.recipe, fitted.output(flux)["density"]
    trained, survey = (recipe.prior(each) for each in (material.redshift("train"), material.survey.redshift("train")))
    return recipe.estimates(density, np.zeros(len(flux), np.float32), survey, trained)[0]


if __name__ == "__main__":
    main()
