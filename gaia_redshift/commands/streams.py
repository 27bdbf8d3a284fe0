"""Input and output of commands: files, or ``-`` for standard input and output. Imports `errors`."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

from gaia_redshift.errors import InvalidInputError

STANDARD = Path("-")
"""Standard input, or output."""


def named(path: Path) -> Path:
    """Return a file name with the format's extension: standard input and output are CSV."""
    return Path("-.csv") if path == STANDARD else path


@contextmanager
def open_input(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, with a progress bar over its bytes on a terminal."""
    if path == STANDARD:
        yield sys.stdin.buffer
        return
    progress = Progress(
        "{task.description}",
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}") from error
    with file, progress, progress.wrap_file(file, path.stat().st_size, description=path.name) as watched:
        yield watched


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Write a temporary file and rename it to `path` at the end, so that a failure never leaves half a table."""
    if path == STANDARD:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    part = path.with_name(path.name + ".part")
    try:
        file = part.open("wb")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_bins(output: Path, edges: Sequence[float]) -> None:
    """Write the bins of the densities to a CSV file next to `output`, or to standard error if that is ``-``.

    The table has the columns ``bin`` (the number after ``pdf_``), ``redshift_from`` and ``redshift_to``.
    """
    rows = [f"{number},{low:.9g},{high:.9g}\n" for number, (low, high) in enumerate(pairwise(edges))]
    text = "".join(["bin,redshift_from,redshift_to\n", *rows])
    if output == STANDARD:
        sys.stderr.write(text)
        return
    with replacing(output.with_name(f"{output.stem}.bins.csv")) as file:
        file.write(text.encode())
