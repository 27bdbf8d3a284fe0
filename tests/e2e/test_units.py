"""Fluxes in another unit do not pass without a word."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.commands import main as cli
from gaia_redshift.spectra import DR3, FloatArray

Predict = Callable[..., tuple[pyarrow.Table, str]]


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Predict:
    """Return the command: fluxes and options to the redshifts that it writes, and its messages."""
    monkeypatch.chdir(tmp_path)

    def run(flux: FloatArray, *options: str) -> tuple[pyarrow.Table, str]:
        column = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(flux.astype(np.float32).ravel()), DR3.samples)
        parquet.write_table(pyarrow.table({"flux": column}), "in.parquet")
        monkeypatch.setattr("sys.argv", ["gaia-redshift", "predict", "in.parquet", "-o", "out.parquet", *options])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        assert not stop.value.code
        return parquet.read_table("out.parquet"), " ".join(capsys.readouterr().err.split())

    return run


def test_fluxes_per_sample_raise_no_doubt(simulated: FloatArray, predict: Predict) -> None:
    found, said = predict(simulated)
    assert np.mean(["noise_mismatch" in flags for flags in found["quality"].to_pylist()]) < 0.02
    assert "noise_mismatch" not in said


@pytest.mark.parametrize("factor", [3, 1 / 3, 1 / DR3.pixels], ids=["times 3", "a third", "per pixel"])
@pytest.mark.parametrize("rows", [5, 1000])
def test_a_table_in_another_unit_is_told_so(simulated: FloatArray, predict: Predict, factor: Any, rows: int) -> None:
    _, said = predict(simulated[:rows] * factor)
    assert "noise that does not fit their brightness" in said
    assert "--unit per_pixel" in said


def test_fluxes_per_pixel_that_are_said_to_be_give_the_same_redshifts(simulated: FloatArray, predict: Predict) -> None:
    expected, _ = predict(simulated[:100])
    found, said = predict(simulated[:100] / DR3.pixels, "--unit", "per_pixel")
    assert found["redshift"].to_pylist() == pytest.approx(expected["redshift"].to_pylist(), abs=1e-5)
    assert "noise_mismatch" not in said
