"""The README's commands and Python are run, and print what it says they print."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server import Server

ROOT = Path(__file__).parents[2]
ADDRESS = "http://127.0.0.1:8000"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", re.MULTILINE | re.DOTALL)
BLOCKS = [(language, code, output) for language, code, output in BLOCK.findall((ROOT / "README.md").read_text())]
RUN = [block for block in BLOCKS if not block[1].startswith(("make ", "docker "))]
NUMBER = re.compile(r"-?\d+\.\d+")


def run(language: str, code: str, address: str, folder: Path) -> str:
    """Run one block as a newcomer would, files it writes going to `folder`."""
    code = code.replace(ADDRESS, address).replace("-o redshifts.csv", f"-o {folder}/redshifts.csv")
    code = code.replace(".venv/bin/", f"{Path(sys.executable).parent}/")
    command = [sys.executable, "-c", code] if language == "python" else ["sh", "-euc", code]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=os.environ, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_shows_what_to_run() -> None:
    assert [language for language, _, _ in RUN] == ["sh", "sh", "python"]
    others = [code for _, code, _ in BLOCKS if code not in [code for _, code, _ in RUN]]
    assert others == ["make serve\n", "docker compose up\n"]  # what starts a server; other tests do


@pytest.mark.parametrize(("language", "code", "output"), RUN, ids=range(len(RUN)))
def test_each_block_of_the_readme_prints_what_it_says(
    language: str, code: str, output: str, server: Server, tmp_path: Path
) -> None:
    printed = run(language, code, server.url, tmp_path)
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", output)
    # The last printed digit may differ between processors.
    found, shown = ([float(number) for number in NUMBER.findall(text)] for text in (printed, output))
    assert found == pytest.approx(shown, abs=1.1e-4 if language == "python" else 5e-6)
