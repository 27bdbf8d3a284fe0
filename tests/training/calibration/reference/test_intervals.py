import numpy as np

from gaia_redshift.spectra import DR3
from tests.tiny import tiny_calibration
from training.calibration.reference.intervals import Intervals

FLUX = np.tile(np.linspace(4, 6, DR3.samples, dtype=np.float32), (2, 1)) * np.array([[1], [3]], np.float32)


def test_each_brightness_finds_its_own_table() -> None:
    found = Intervals(tiny_calibration(density=True)).at("survey", FLUX, np.array([0.2, 0.2]))
    assert found.T.tolist() == [[0.01, 0.1, 0.9, 0.99], [0.025, 0.16, 0.84, 0.975]]
