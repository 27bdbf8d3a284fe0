"""What starting the service may and may not load."""

import subprocess
import sys

import pytest

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
