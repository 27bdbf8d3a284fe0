"""SIGKILL of the command and of its processes at random moments; GAIA_REDSHIFT_MOMENTS of them, three by default."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from gaia_redshift.bulk.run import run
from tests.gaia_redshift.bulk.files import here, outputs, predicting, write_spectra

ROOT = Path(__file__).parents[3]
MOMENTS = int(os.environ.get("GAIA_REDSHIFT_MOMENTS", "3"))
FILES, ROWS = 8, 3000
PATIENCE_SECONDS = 120
COMMAND = "import typer; from gaia_redshift.commands.bulk import bulk; typer.run(bulk)"


class Command:
    """The command over a folder, in a process of its own."""

    def __init__(self, source: Path | str, output: Path | str, models: Path) -> None:
        words = [sys.executable, "-c", COMMAND, str(source), str(output), "--processes", "2", "--model", "tiny"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "GAIA_REDSHIFT_MODELS": str(models)}
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            words, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def children(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=PATIENCE_SECONDS)
        return self.process.returncode, said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(FILES):
        write_spectra(tmp_path / "in" / f"{number}.parquet", ROWS, number)
    return tmp_path


def test_whatever_is_killed_whenever_the_same_command_again_ends_with_the_same_files(
    folder: Path, models: Path
) -> None:
    run(predicting(models), [str(folder / "in")], str(folder / "alone"), here)
    alone = outputs(folder / "alone")
    undisturbed = Command(folder / "in", folder / "undisturbed", models)
    assert undisturbed.end()[0] == 0
    seconds = time.monotonic() - undisturbed.started
    assert outputs(folder / "undisturbed") == alone
    chance = random.Random(21)  # noqa: S311 - the same moments every time, as far as the machine lets them be
    for moment in range(MOMENTS):
        out = folder / f"out-{moment}"
        command = Command(folder / "in", out, models)
        time.sleep(chance.uniform(0.1, 1) * seconds)
        children = command.children()
        if moment % 2:  # a worker: the run itself goes on to the end
            workers = [child for child in children if "spawn_main" in " ".join(_words(child))]
            if workers:
                _kill(chance.choice(workers).pid)
            code, said = command.end()
            assert code == 0, said
        else:
            _kill(command.process.pid)
            command.end()
            _, alive = psutil.wait_procs(children, timeout=PATIENCE_SECONDS)
            assert not alive, "processes outlive the command that started them"
            made = outputs(out)
            assert all(alone[name] == content for name, content in made.items())
            code, said = Command(folder / "in", out, models).end()
            assert code == 0, said
            assert f"{FILES} of {FILES} files" in said
        assert outputs(out) == alone
        assert [path.name for path in out.glob(".*") if moment % 2 == 0] == []


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
