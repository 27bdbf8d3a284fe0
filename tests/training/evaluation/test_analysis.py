"""The analysis of a data set: right numbers, all figures, one page that needs nothing else."""

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from training.commands.analyse import analyse
from training.evaluation.analysis import FIGURES, statistics
from training.simulation.cli import simulate


def test_statistics_of_a_known_sample() -> None:
    # Of 1, 2, 3, 4, 10 pandas says: skew 1.6970, kurtosis 3.1520; numpy: sd 3.1623.
    found = statistics(np.array([1.0, 2.0, 3.0, 4.0, 10.0]))
    assert (found.mean, found.median, found.sd) == pytest.approx((4.0, 3.0, 3.1623), abs=1e-4)
    assert (found.skewness, found.kurtosis) == pytest.approx((1.6971, 3.152), abs=1e-3)


def test_the_bins_hold_every_galaxy_once() -> None:
    redshift = np.random.default_rng(0).uniform(0, 0.6, 1000)
    found = statistics(redshift)
    assert sum(percent for *_, percent in found.bins) == pytest.approx(100)
    assert len(found.bins) == 12


def test_a_report_is_figures_numbers_and_one_self_contained_page(tmp_path: Path) -> None:
    simulate(tmp_path / "set.parquet", count=300, seed=2)
    analyse(tmp_path / "set.parquet", tmp_path / "out" / "report")
    made = {path.name for path in (tmp_path / "out" / "report").iterdir()}
    assert made == {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")} | {"index.html", "statistics.json"}
    numbers = json.loads((tmp_path / "out" / "report" / "statistics.json").read_text())
    assert numbers["count"] == 300
    text = (tmp_path / "out" / "report" / "index.html").read_text()
    assert "Simulated spectra." in text
    assert text.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"(?:href|src)=\"(?!data:)", text)


def test_figures_name_their_axes_with_units(tmp_path: Path) -> None:
    simulate(tmp_path / "set.csv", count=200, seed=3)
    analyse(tmp_path / "set.csv", tmp_path / "report")
    assert "wavelength in nm" in (tmp_path / "report" / "mean-flux.svg").read_text()
    assert "flux in e-/s per sample" in (tmp_path / "report" / "spectra.svg").read_text()


def test_a_report_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    simulate(tmp_path / "set.csv", count=200, seed=3)
    with pytest.raises(InvalidInputError, match="cannot be written to"):
        analyse(tmp_path / "set.csv", tmp_path / "set.csv")


def test_without_matplotlib_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate(tmp_path / "set.csv", count=200, seed=3)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingDependencyError, match="install gaia-redshift"):
        analyse(tmp_path / "set.csv", tmp_path / "report")
