"""What starting the service may and may not load."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from gaia_redshift.spectra import DR3

HEAVY = ("tensorflow", "keras", "matplotlib", "sklearn", "jax", "scipy", "gaiaxpy", "training")


def loaded_after(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter holds after running `code`."""
    report = "import sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("module", ["app.main", "gaia_redshift.client", "gaia_redshift.commands.predict"])
def test_importing_the_service_loads_nothing_of_the_training(module: str) -> None:
    assert not loaded_after(f"import {module}").intersection(HEAVY)


def test_the_grid_needs_numpy_alone() -> None:
    assert not loaded_after("import gaia_redshift.spectra").intersection({"pydantic", "fastapi", "pyarrow", *HEAVY})


def test_the_command_line_loads_no_network_runtime() -> None:
    loaded = loaded_after("import gaia_redshift.commands.main; gaia_redshift.commands.main.build()")
    assert not loaded.intersection({*HEAVY, "onnxruntime", "pyarrow"} - {"training"})


BULK = """
from gaia_redshift.bulk import job, plan, predicting
from gaia_redshift.interpretation.result import AnswerOptions
from gaia_redshift.predictor import Predictor
task = predicting.Predicting.by(Predictor("default", threads=1), AnswerOptions())
(one,) = plan.plan([{source!r}], {output!r}, plan.Shard())
made = job.do(task, one)
assert (made.rows, made.failed) == (9, 2), made
"""


def test_a_bulk_job_loads_no_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas")  # which pyarrow loads where it is there, with 40 MB for each process
    flux = np.random.default_rng(1).uniform(0.1, 0.9, (9, DR3.samples)).astype(np.float32)
    flux[4, 7] = np.nan
    rows = [None if row == 6 else values for row, values in enumerate(flux.tolist())]
    columns = {"source_id": range(9), "flux": pyarrow.array(rows, pyarrow.list_(pyarrow.float32()))}
    parquet.write_table(pyarrow.table(columns), tmp_path / "in.parquet")
    code = BULK.format(source=str(tmp_path / "in.parquet"), output=str(tmp_path / "out"))
    assert "pandas" not in loaded_after(code)
