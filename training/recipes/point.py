"""What recipes share whose network gives one redshift. Imports `calibration` and `data` of the project."""

import keras
import numpy as np

from gaia_redshift.interpretation.calibration import Calibration
from gaia_redshift.spectra import FloatArray
from training.calibration.intervals import Held, calibrate
from training.calibration.quality import LEARNING_ROWS, learn
from training.data.material import Material, Sample
from training.recipes.recipe import Network, Output, Recipe, Scaler, Schedule, flux_range


class PointRecipe(Recipe):
    """A network from a spectrum to one redshift, shape (n, 1)."""

    optimizer: str
    loss: str

    def schedule(self, steps: int) -> Schedule:  # noqa: ARG002 - a constant rate
        """Return the learning rate, for so many steps in all."""
        return self.learning_rate

    def compile(self, network: Network, steps: int) -> None:
        """Attach optimiser and loss, and the mean absolute error as metric.

        With TensorFlow on a CPU, XLA halves the speed of small convolutions (400 against 800 spectra/s on two cores,
        batch 16), so it is switched off; JAX cannot do without.
        """
        optimizer = keras.optimizers.get(self.optimizer)
        optimizer.learning_rate = self.schedule(steps)
        network.compile(
            optimizer=optimizer,
            loss=self.loss,
            metrics=["mean_absolute_error"],
            jit_compile=keras.backend.backend() != "tensorflow",
            steps_per_execution=8,
        )

    def wanted(self, sample: Sample) -> tuple[FloatArray]:
        """Return the redshifts, shape (n, 1)."""
        return (sample.redshift[:, np.newaxis],)

    def calibrate(self, output: Output, material: Material, scaler: Scaler) -> Calibration:
        """Learn offsets from the errors of the survey's validation part."""
        survey = material.survey
        flux, true = survey.flux("validation"), survey.redshift("validation")
        predicted = output(flux)["redshift"]
        quality = learn(material.some_flux("train", LEARNING_ROWS, self.seed), flux, None, self.seed)
        held = Held(flux, predicted, true - predicted)
        return calibrate({"survey": held}, 0.0, flux_range(material, scaler), quality)
