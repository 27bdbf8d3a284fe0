"""The documentation's examples: found by Sybil, run as a newcomer would, held against what the page says they print.

A block of `sh`, `python` or `console` is run. A block `text` right behind it is what it prints, numbers to their last
digit, which may differ between processors; in `console` the lines behind a command are. What cannot be run says why, in
a comment that no reader sees::

    <!-- skip: next "asks the Gaia archive" -->
"""

import contextlib
import io
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from sybil import Document, Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, SkipParser

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(page for page in (ROOT / "docs").rglob("*.md") if "notebooks" not in page.parts)])
"""Pages whose blocks are run here; notebooks are run when the site is built."""

ADDRESS = "http://127.0.0.1:8000"
SECONDS = 600
NUMBER = re.compile(r"-?\d+\.\d+")
_PRINTED = re.compile(r"\A\s*```text\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_MANY_DECIMALS = 6


def run_sh(example: Example) -> None:
    """Run a block of the shell, which must succeed."""
    printed, errors, code = _shell(str(example.parsed), example.namespace)
    assert code == 0, f"{errors}\n{printed}"
    _hold(example, printed)


def run_python(example: Example) -> None:
    """Run a block of Python, with what the blocks before it on the page have defined."""
    code = _replaced(str(example.parsed), example.namespace)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.chdir(example.namespace["folder"]), warnings.catch_warnings():
        if "gaiaxpy" in code:  # it sets an option of pandas that is deprecated
            warnings.simplefilter("ignore")
        exec(compile(code, f"{example.path}:{example.line}", "exec"), example.namespace)  # noqa: S102 - our own pages
    _hold(example, printed.getvalue())


def run_console(example: Example) -> None:
    """Run each command of a console, and compare what it prints on either stream."""
    for command, expected in _commands(_replaced(str(example.parsed), example.namespace)):
        printed, errors, _ = _shell(command, example.namespace)
        compare(errors + printed, expected)


SYBIL = Sybil(
    parsers=[
        CodeBlockParser("sh", run_sh),
        CodeBlockParser("python", run_python),
        CodeBlockParser("console", run_console),
        SkipParser(),
    ]
)


def documents() -> list[Document]:
    """Return every page that has a block to run."""
    found = [SYBIL.parse(page) for page in PAGES]
    return [document for document in found if any(map(is_block, document.examples()))]


def is_block(example: Example) -> bool:
    """Return whether an example is a block, not a comment on the next one."""
    return isinstance(example.parsed, str)


def compare(printed: str, expected: str) -> None:
    """Compare text exactly, except for numbers, which may differ in their last digit."""
    printed, expected = (re.sub(r"[ \t]+$", "", text.strip(), flags=re.MULTILINE) for text in (printed, expected))
    assert NUMBER.sub("#", printed) == NUMBER.sub("#", expected)
    for found, shown in zip(NUMBER.findall(printed), NUMBER.findall(expected), strict=True):
        decimals = len(shown.partition(".")[2])
        tolerance = (5 if decimals >= _MANY_DECIMALS else 1.1) * 10**-decimals
        assert float(found) == pytest.approx(float(shown), abs=tolerance)


def _hold(example: Example, printed: str) -> None:
    """Compare what was printed with the block behind the example, if there is one."""
    after = _PRINTED.match(example.document.text[example.end :])
    if after:
        expected = after[1]
        indent = len(expected) - len(expected.lstrip(" "))
        compare(printed, re.sub(rf"^ {{{indent}}}", "", expected, flags=re.MULTILINE))


def _commands(text: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    return [(command, expected) for command, _, expected in (part.partition("\n") for part in parts)]


def _replaced(text: str, namespace: dict[str, Any]) -> str:
    """Return a block with the address of the tests' server and what else is not as on the page."""
    for shown, meant in namespace["replaced"].items():
        text = text.replace(shown, meant)
    return text


def _shell(code: str, namespace: dict[str, Any]) -> tuple[str, str, int]:
    """Run a command in the page's folder; return standard output, standard error and the exit code."""
    bin_folder = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "300",
    }
    done = subprocess.run(
        ["sh", "-euc", _replaced(code, namespace)],
        check=False,
        capture_output=True,
        text=True,
        cwd=namespace["folder"],
        env=environment,
        timeout=SECONDS,
    )
    return done.stdout, done.stderr, done.returncode
