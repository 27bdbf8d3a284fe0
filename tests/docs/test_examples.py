"""README and documentation: every block of `sh`, `python` and `console` is run, or says why it is not."""

import os
import re
import shutil
import sys
from pathlib import Path
from unittest import SkipTest

import numpy as np
import pandas as pd
import pytest
from sybil import Document, Example

from tests.docs.examples import ADDRESS, ROOT, documents, is_block
from tests.server import Server
from tests.tiny import REFERENCE

LONG = bool(os.environ.get("LONG_EXAMPLES"))
"""Whether to run examples that take minutes too, as `make test-docs` does."""

MOST_SKIPPED = 45
"""Blocks that are not run, each with its reason; raise it only for blocks that cannot be run."""

FEWER = {"-n 3000 ": "-n 300 ", "wrote 3000 ": "wrote 300 "}
"""What the examples say, and what is run where they are not to take minutes."""

_heeded: set[tuple[str, int]] = set()
"""Comments on blocks that were evaluated: Sybil wants each once."""

DOCUMENTS = documents()
BLOCKS = [(document, example) for document in DOCUMENTS for example in document.examples() if is_block(example)]


def name_of(document: Document) -> str:
    return str(Path(document.path).relative_to(ROOT))


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tables that the pages speak of, some hundred simulated galaxies each."""
    from training.simulation import dataset, files

    folder = tmp_path_factory.mktemp("tables")
    counts = {"spectra.parquet": 260, "spectra.csv": 200, **({"labelled.parquet": 3000} if LONG else {})}
    for name, count in counts.items():
        recipe = dataset.Recipe(count, 5, "survey", ("galaxy",), coefficients=False)
        files.write(dataset.simulate(recipe, 1), recipe, folder / name, lambda _: None)
    pd.DataFrame({"redshift": [0.0, 0.2, 0.4, 0.6], "density": [0, 1, 1, 0]}).to_csv(folder / "prior.csv", index=False)
    flux = pd.read_parquet(folder / "spectra.parquet")
    flux.to_parquet(folder / "spectra.parquet")  # without the note that it is simulated: on some pages it is not
    _write_fits(flux, folder)
    coefficients = dataset.Recipe(20, 6, "survey", ("galaxy",), coefficients=True)
    files.write(dataset.simulate(coefficients, 1), coefficients, folder / "xp_continuous.csv", lambda _: None)
    (folder / "xp_continuous.csv").rename(folder / "XP_CONTINUOUS_RAW.csv")
    archive = folder / "XpContinuousMeanSpectrum"
    archive.mkdir()
    shutil.copy(folder / "XP_CONTINUOUS_RAW.csv", archive / "XpContinuousMeanSpectrum_000000-003111.csv")
    if (REFERENCE / "real_galaxy.csv").exists():
        shutil.copy(REFERENCE / "real_galaxy.csv", folder / "galaxy.csv")
    return folder


def _write_fits(table: pd.DataFrame, folder: Path) -> None:
    from astropy.table import Table

    flux = np.stack(table["flux"].to_list())
    columns = {"source_id": np.arange(len(table)), "z": table["z"].to_numpy(), "flux": flux}
    for name in ("spectra.fits", "real.fits"):
        Table(columns).write(folder / name)


@pytest.fixture(scope="module")
def folders(tables: Path, server: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return a folder for each page, which looks like a checkout with tables in it."""
    made = {}
    for document in DOCUMENTS:
        folder = tmp_path_factory.mktemp("page")
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(Path(sys.executable).parent)
        for name in ("gaia_redshift", "benchmarks", "docs", "training"):
            (folder / name).symlink_to(ROOT / name)
        (folder / "models").mkdir()
        for bundle in (ROOT / "models").iterdir():
            if bundle.is_dir():
                (folder / "models" / bundle.name).symlink_to(bundle)
        shutil.copytree(tables, folder, dirs_exist_ok=True)
        flux = pd.read_csv(tables / "spectra.csv").iloc[:, -186:].to_numpy(np.float32)
        document.namespace.update(
            replaced={ADDRESS: server.url, **({} if LONG else FEWER)},
            folder=folder,
            long_examples=LONG,
            real_galaxy=(folder / "galaxy.csv").exists(),
            flux=flux,
            table=pd.read_csv(tables / "spectra.csv"),
        )
        made[name_of(document)] = folder
    return made


@pytest.mark.parametrize(
    ("document", "example"), BLOCKS, ids=[f"{name_of(document)}:{example.line}" for document, example in BLOCKS]
)
def test_each_block_does_what_its_page_says(document: Document, example: Example, folders: dict[str, Path]) -> None:
    for before in document.examples():  # a comment on this block is right before it
        if before.line >= example.line:
            break
        if not is_block(before) and (document.path, before.line) not in _heeded:
            _heeded.add((document.path, before.line))
            before.evaluate()
    try:
        example.evaluate()
    except SkipTest as reason:
        pytest.skip(str(reason))


def skipped() -> list[tuple[str, str]]:
    """Return the blocks that are not run, with their reasons."""
    return [
        (f"{name_of(document)}:{example.line}", example.parsed[1])
        for document in DOCUMENTS
        for example in document.examples()
        if not is_block(example) and not example.parsed[1].startswith("if")
    ]


def test_what_is_not_run_is_counted_and_says_why() -> None:
    assert len(skipped()) <= MOST_SKIPPED
    for where, reason in skipped():
        assert re.fullmatch(r'".{15,}"', reason), where


def test_the_readme_shows_what_to_run() -> None:
    readme = next(document for document in DOCUMENTS if name_of(document) == "README.md")
    blocks = [str(example.parsed) for example in readme.examples() if is_block(example)]
    kept = [example for example in readme.examples() if not is_block(example)]
    assert [block for block in blocks if block.startswith(("make ", "docker "))] == [
        "make serve\n",
        "docker compose up\n",
    ]
    # Besides the two whose servers other tests start, only the galaxy that we may not publish is skipped.
    assert len(kept) == 3
