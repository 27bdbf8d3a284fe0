"""Fluxes in another unit do not pass without a word."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.spectra import DR3, FloatArray


def predict(flux: FloatArray, folder: Path, *options: str) -> tuple[pyarrow.Table, str]:
    """Return the redshifts that the command writes for fluxes, and its messages."""
    column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.astype(np.float32).ravel()), DR3.samples)
    parquet.write_table(pyarrow.table({"flux": column}), folder / "in.parquet")
    command = [sys.executable, "-m", "gaia_redshift", "predict", "in.parquet", "-o", "out.parquet", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return parquet.read_table(folder / "out.parquet"), " ".join(done.stderr.split())


def test_fluxes_per_sample_raise_no_doubt(simulated: FloatArray, tmp_path: Path) -> None:
    found, said = predict(simulated, tmp_path)
    assert np.mean(["noise_mismatch" in flags for flags in found["quality"].to_pylist()]) < 0.02
    assert "noise_mismatch" not in said


@pytest.mark.parametrize("factor", [3, 1 / 3, 1 / DR3.pixels], ids=["times 3", "a third", "per pixel"])
@pytest.mark.parametrize("rows", [5, 1000])
def test_a_table_in_another_unit_is_told_so(simulated: FloatArray, tmp_path: Path, factor: Any, rows: int) -> None:
    _, said = predict(simulated[:rows] * factor, tmp_path)
    assert "noise that does not fit their brightness" in said
    assert "--unit per_pixel" in said


def test_fluxes_per_pixel_that_are_said_to_be_give_the_same_redshifts(simulated: FloatArray, tmp_path: Path) -> None:
    expected, _ = predict(simulated[:100], tmp_path)
    found, said = predict(simulated[:100] / DR3.pixels, tmp_path, "--unit", "per_pixel")
    assert found["redshift"].to_pylist() == pytest.approx(expected["redshift"].to_pylist(), abs=1e-5)
    assert "noise_mismatch" not in said
