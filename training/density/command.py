"""``gaia-redshift train --recipe density``: the way from files to a bundle. Imports the rest of `training`."""

from dataclasses import dataclass
from pathlib import Path

from gaia_redshift.bundle import Manifest
from training.dataset import Dataset, Policy, declare, read, say_dropped
from training.density.data import gather
from training.density.export import export
from training.density.fit import fit
from training.density.recipe import DensityRecipe
from training.export import Release
from training.split import split


@dataclass(frozen=True, slots=True)
class Files:
    """What a density network is trained on."""

    survey: Path
    balance: Path
    contaminants: Path
    policy: Policy
    observed: bool | None
    """As for `training.dataset.declare`."""


def train(files: Files, recipe: DensityRecipe, folder: Path, release: Release) -> Manifest:
    """Read, train, calibrate, measure, and write the bundle.

    Parameters
    ----------
    files : Files
    recipe : DensityRecipe
    folder : Path
        The run folder.
    release : Release

    Returns
    -------
    Manifest
        As sealed.
    """

    def galaxies(path: Path) -> Dataset:
        dataset = declare(read(path, files.policy), observed=files.observed)
        say_dropped(dataset)
        return dataset

    release.check_free()
    survey, balance = galaxies(files.survey), galaxies(files.balance)
    material = gather(survey, split(survey, recipe.seed), balance, split(balance, recipe.seed), files.contaminants)
    fitted = fit(material, recipe, folder)
    return export(fitted, material, folder, release)
