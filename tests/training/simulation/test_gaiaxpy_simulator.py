"""GaiaXPy's simulator is not public yet: what is said until then, and that a simulator of the guessed form is used."""

import importlib.util
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks import real_spectra as realism
from gaia_redshift.errors import MissingDependencyError
from training.simulation import gaiaxpy_simulator
from training.simulation.instrument import BANDS, WAVELENGTH_NM, coefficients

FILE = Path(__file__).parents[3] / "benchmarks" / "realism.py"


class Fake(ModuleType):
    """A GaiaXPy that simulates with our own instrument, some per cent too bright in BP."""

    __version__ = "4.0.0"

    def __init__(self, bp: float = 1.0) -> None:
        super().__init__("gaiaxpy")
        self.__spec__ = ModuleSpec("gaiaxpy", None)
        self.bp = bp
        self.releases: list[str] = []

    def simulate(self, table: pd.DataFrame, *, release: str, save_file: bool) -> pd.DataFrame:
        assert not save_file
        self.releases.append(release)
        light = np.stack(table["flux"].to_list())
        assert np.stack(table["wavelength"].to_list()).shape == light.shape
        made = {f"{band.lower()}_coefficients": list(coefficients(band, light)) for band in BANDS}
        made["bp_coefficients"] = [row * self.bp for row in made["bp_coefficients"]]
        return pd.DataFrame({"source_id": table["source_id"], **made})


def install(monkeypatch: pytest.MonkeyPatch, package: Any) -> None:
    monkeypatch.setitem(sys.modules, "gaiaxpy", package)


def test_without_gaiaxpy_or_with_one_that_has_no_simulator_one_line_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = ModuleType("gaiaxpy")
    old.__spec__, old.__version__ = ModuleSpec("gaiaxpy", None), "2.1.5"  # type: ignore[attr-defined]
    install(monkeypatch, old)
    why = gaiaxpy_simulator.missing()
    assert why == "GaiaXPy 2.1.5 has no simulator: it is announced for Gaia DR4 (gaia-dpci/GaiaXPy#151)"
    with pytest.raises(MissingDependencyError, match="has no simulator"):
        gaiaxpy_simulator.simulate(WAVELENGTH_NM, np.ones((1, len(WAVELENGTH_NM))))
    monkeypatch.setattr("training.simulation.gaiaxpy_simulator.find_spec", lambda _name: None)
    assert gaiaxpy_simulator.missing() == "GaiaXPy is not installed: pip install gaiaxpy"


def test_a_simulator_of_the_guessed_form_is_held_against_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake(bp=1.05)
    install(monkeypatch, fake)
    assert gaiaxpy_simulator.missing() is None
    found = realism.simulator_misfit_percent("Gaia DR3", count=3)
    assert fake.releases == ["gaiadr3"]
    assert found["RP"].shape == (6,)
    assert found["RP"].max() < 1e-6
    assert (found["BP"] > 1).all()
    assert (found["BP"] < 5).all()


@pytest.mark.parametrize(
    "answer",
    [
        pd.DataFrame({"flux": [1.0]}),
        pd.DataFrame({"bp_coefficients": [[1.0] * 54], "rp_coefficients": [[1.0] * 55]}),
        pd.DataFrame({"bp_coefficients": ["far"], "rp_coefficients": ["off"]}),
        None,
    ],
    ids=["no columns", "another number", "text", "nothing"],
)
def test_a_simulator_that_answers_otherwise_says_where_the_guess_is_to_be_mended(
    monkeypatch: pytest.MonkeyPatch, answer: object
) -> None:
    fake = Fake()
    monkeypatch.setattr(Fake, "simulate", lambda _self, _table, **_: answer)
    install(monkeypatch, fake)
    with pytest.raises(MissingDependencyError, match=r"answers otherwise than was guessed.*Mend `call`"):
        gaiaxpy_simulator.simulate(WAVELENGTH_NM, np.ones((1, len(WAVELENGTH_NM))))


def test_a_simulator_that_takes_other_arguments_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    monkeypatch.setattr(Fake, "simulate", lambda _self, sed: sed)
    install(monkeypatch, fake)
    with pytest.raises(MissingDependencyError, match=r"TypeError: .*Mend `call`"):
        gaiaxpy_simulator.simulate(WAVELENGTH_NM, np.ones((1, len(WAVELENGTH_NM))))


def test_the_benchmark_skips_with_one_line_or_reports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = importlib.util.spec_from_file_location("realism_benchmark", FILE)
    assert spec is not None
    assert spec.loader is not None
    benchmark = importlib.util.module_from_spec(spec)
    monkeypatch.syspath_prepend(FILE.parent)  # as where a script runs
    spec.loader.exec_module(benchmark)
    monkeypatch.setattr(sys, "argv", ["realism.py", "--gaiaxpy"])
    monkeypatch.setattr("training.simulation.gaiaxpy_simulator.find_spec", lambda _name: None)
    assert benchmark.main() == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "not compared with GaiaXPy's simulator: GaiaXPy is not installed: pip install gaiaxpy\n"

    monkeypatch.undo()
    monkeypatch.setattr(sys, "argv", ["realism.py", "--gaiaxpy"])
    install(monkeypatch, Fake())
    assert benchmark.main() == 0
    assert "40 point sources" in " ".join(capsys.readouterr().out.split())
    install(monkeypatch, Fake(bp=1.5))
    assert benchmark.main() == 1
    monkeypatch.setattr(sys, "argv", ["realism.py", "--gaiaxpy", "--release", "dr77"])
    assert benchmark.main() == 2
    assert "there is no release" in capsys.readouterr().err
