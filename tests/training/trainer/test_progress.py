"""What runs only where something more is installed: JAX, TensorBoard."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.csv
import pytest

from gaia_redshift.bundle import Bundle
from gaia_redshift.engine import OnnxEngine
from tests.training.conftest import KERAS_WARNS, SMALL, csv_table, galaxies
from training.trainer.progress import board
from training.trainer.run import Epoch

pytestmark = pytest.mark.filterwarnings(KERAS_WARNS)


def test_jax_trains_resumes_and_exports_as_tensorflow_does(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    flux, redshift = galaxies(600)
    pyarrow.csv.write_csv(csv_table(flux, redshift), tmp_path / "galaxies.csv")
    (tmp_path / "small.json").write_text(SMALL.model_dump_json(), encoding="utf-8")

    def train(name: str, epochs: int) -> Bundle:
        command = [Path(sys.executable).with_name("gaia-redshift"), "train", "galaxies.csv", "-o", name, "--replace"]
        options = ["--recipe", "small.json", "--epochs", str(epochs)]
        environment = os.environ | {"KERAS_BACKEND": "jax"}
        done = subprocess.run(
            [*command, *options], check=False, capture_output=True, text=True, cwd=tmp_path, env=environment
        )
        assert done.returncode == 0, done.stderr
        return Bundle(tmp_path / name)

    whole = train("whole", 3)
    train("resumed", 2)
    resumed = train("resumed", 3)
    assert whole.manifest.libraries["keras_backend"] == "jax"
    assert whole.manifest.metrics["mae"] < 0.08  # a constant: 0.12
    np.testing.assert_array_equal(OnnxEngine(whole, 1)(flux).values, OnnxEngine(resumed, 1)(flux).values)


def test_tensorboard_finds_each_epoch_once_in_each_of_two_runs(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with board(tmp_path) as tell:
        assert tell is not None
        for epoch in (1, 2):
            tell(
                Epoch(
                    epoch,
                    loss=0.1 / epoch,
                    mean_absolute_error=0.2,
                    val_loss=0.3,
                    val_mean_absolute_error=0.4,
                    seconds=1,
                )
            )
    for run, loss in {"train": [0.1, 0.05], "validation": [0.3, 0.3]}.items():
        found = EventAccumulator(str(tmp_path / run)).Reload()
        values = [(one.step, found.tensors) for one in found.Tensors("loss")]
        assert [step for step, _ in values] == [1, 2]
        assert [float(one.tensor_proto.float_val[0]) for one in found.Tensors("loss")] == pytest.approx(loss)


def test_without_a_folder_there_is_no_callback() -> None:
    with board(None) as tell:
        assert tell is None
