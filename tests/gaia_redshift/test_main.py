import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("options", [(), ("-P",)], ids=["as it comes", "by safe paths"])
def test_the_module_runs_no_file_of_the_folder_it_is_started_in(tmp_path: Path, options: tuple[str, ...]) -> None:
    for name in ("app", "training", "typer"):
        (tmp_path / f"{name}.py").write_text(f"raise SystemExit('the user has a {name}.py')\n")
    command = [sys.executable, *options, "-m", "gaia_redshift", "serve", "--help"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Start the service" in done.stdout


def test_the_module_takes_the_parts_of_the_checkout_it_is_started_in(tmp_path: Path) -> None:
    (tmp_path / "gaia_redshift").symlink_to(ROOT / "gaia_redshift")
    (tmp_path / "app.py").write_text("raise SystemExit('the service of this checkout')\n")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-m", "gaia_redshift", "serve", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.stderr == "the service of this checkout\n"
