"""The linear recipe: its fit is that of least squares, and its bundle serves as any other."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import OnnxEngine
from tests.training.conftest import KERAS_WARNS, galaxies, gathered, redshifts
from training.data.dataset import Dataset
from training.recipes.linear import LinearRecipe
from training.release.export import Release, export
from training.trainer.fit import fit

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)


def test_it_is_fitted_released_and_served_as_any_other_recipe(tmp_path: Path) -> None:
    flux, redshift = galaxies(900)
    material = gathered(Dataset(flux, redshift, None, None, "galaxies.csv", "a" * 64, None))
    recipe = LinearRecipe(
        whitened=10, batch_size=32, epochs=15, patience=15, learning_rate=4e-2, loss="mean_squared_error"
    )
    fitted = fit(material, recipe, tmp_path / "run")
    manifest = export(fitted, material, tmp_path / "run", Release(tmp_path / "linear", "linear", "1.0.0"))

    def described(part: str) -> np.ndarray:
        spectra = material.survey.flux(part)
        root = np.sqrt(np.mean(np.square(spectra), axis=1, keepdims=True))
        return np.hstack([spectra / root @ basis.T, np.log(root)])

    shape = material.survey.flux("train") / np.sqrt(np.mean(np.square(material.survey.flux("train")), axis=1))[:, None]
    spread = np.maximum(shape.std(axis=0), 0.05)
    basis = np.linalg.svd((shape - shape.mean(axis=0)) / spread, full_matrices=False)[2][:10] / spread
    exact = LinearRegression().fit(described("train"), material.survey.redshift("train"))
    error = np.abs(exact.predict(described("test")) - material.survey.redshift("test")).mean()
    assert manifest.metrics["mae"] < 1.1 * error
    found = OnnxEngine(Bundle(tmp_path / "linear"), 1)(flux).redshift
    np.testing.assert_allclose(found, redshifts(fitted, flux), atol=5e-6)
    assert "Linear regression of the linear recipe" in manifest.description
