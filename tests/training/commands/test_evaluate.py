"""The evaluation of the shipped model: right numbers, all figures, one page that needs nothing else."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from scipy import stats

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle
from gaia_redshift.errors import InvalidInputError, UnknownModelError, UnsupportedByModelError
from gaia_redshift.interpretation.result import AnswerOptions, Predictions
from gaia_redshift.spectra import SpectrumBatch
from tests.training.conftest import csv_table, runner
from training.commands.evaluate import evaluate
from training.data.dataset import load
from training.evaluation import binned, predicted
from training.evaluation.judge import judge
from training.evaluation.metrics import measure
from training.evaluation.predicted import load_model, predict
from training.simulation.cli import simulate

NAME = "dissertation-cnn"
FIGURES = {"loss", "mae", "error-per-bin", "redshifts", "predicted-true", "reliability"}
FIGURES |= {
    f"by-{name}" for name in ("true-redshift", "predicted-redshift", "magnitude", "snr-bp", "snr-rp", "transits")
}
run = runner(evaluate)


def plain(report: Path) -> Any:
    return json.loads((report / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("simulated") / "set.parquet"
    simulate(path, count=600, seed=2)
    return path


WITHOUT_NETWORK_RUNTIMES = """
import sys
for name in ("tensorflow", "keras", "sklearn", "joblib"):
    sys.modules[name] = None
from pathlib import Path
from training.commands.evaluate import evaluate
evaluate(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), part="all")
"""


@pytest.fixture(scope="module")
def report(simulated: Path) -> Path:
    """Return a whole report, made where there is no TensorFlow, Keras, scikit-learn or joblib."""
    folder = simulated.parent / "out" / "report"
    command = [sys.executable, "-c", WITHOUT_NETWORK_RUNTIMES, NAME, str(simulated), str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(autouse=True)
def fewer_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Find the errors of reports other than `report` from few samples."""
    monkeypatch.setattr(binned, "BOOTSTRAPS", 20)


@pytest.fixture
def sketched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw each figure as SVG alone: for tests of whether it can be drawn."""
    save = Figure.savefig

    def sketch(drawing: Figure, path: Path, **options: Any) -> None:
        if path.suffix == ".svg":
            save(drawing, path, **options)
        else:
            path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", sketch)


def test_dust_is_corrected_for_as_in_a_prediction(tmp_path: Path) -> None:
    path = tmp_path / "dusty.parquet"
    simulate(path, count=100, seed=3, ebv="0.2:0.3", workers=1)
    dataset, model = load(path), load_model(NAME)
    rows = np.arange(len(dataset))
    found, _ = predict(model, dataset, rows)
    assert found.point.tolist() == model(pq.read_table(path))["redshift"].to_pylist()
    plain, _ = predict(model, dataset, rows, corrected=False)
    assert abs((found.point - found.true).mean()) < 0.02 < (plain.point - plain.true).mean()
    assert judge(model, dataset, "all").how == "all 100 spectra of dusty.parquet, corrected for dust by ebv"


def test_a_report_needs_no_network_runtime_and_is_figures_numbers_and_one_self_contained_page(report: Path) -> None:
    made = {path.name for path in report.iterdir()}
    assert made == {f"{name}.{kind}" for name in FIGURES for kind in ("png", "svg")} | {"index.html", "metrics.json"}
    text = (report / "index.html").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == len(FIGURES)
    assert not re.search(r"(?:href|src)=\"(?!data:)|url\(|https?://", text)
    assert "Trained on SIMULATED spectra" in text
    assert "all 600 spectra of set.parquet. Simulated spectra." in text
    assert "200 bootstrap samples of parent galaxies" in text


def test_the_numbers_are_those_of_the_service(report: Path, simulated: Path) -> None:
    dataset, model = load(simulated), load_model(NAME)
    galaxies, refused = predict(model, dataset, np.arange(600))
    found = plain(report)
    assert refused == found["data"]["without_redshift"] == 0
    assert found["data"]["galaxies"] == found["overall"]["count"] == 600
    expected = measure(dataset.redshift, galaxies.point)
    assert {name: found["overall"]["metrics"][name]["value"] for name in expected} == pytest.approx(expected, abs=1e-6)
    held = (galaxies.lower95 <= galaxies.true) & (galaxies.true <= galaxies.upper95)
    assert found["overall"]["metrics"]["coverage_95"]["value"] == pytest.approx(held.mean())
    assert found["model"]["network_sha256"] == Bundle(SHIPPED_MODELS / NAME).manifest.files["model.keras"].sha256
    assert found["density"] is None
    assert sum(row["count"] for row in found["table_3"]) == 600
    assert set(found["binned"]) == {"true_redshift", "predicted_redshift", "magnitude", "snr_bp", "snr_rp", "transits"}
    for groups in found["binned"].values():
        assert sum(group["count"] for group in groups) == 600


@pytest.mark.usefixtures("undrawn")
def test_the_test_part_is_the_default_where_the_file_knows_it(simulated: Path, tmp_path: Path) -> None:
    said = run(NAME, simulated, "--report", tmp_path)
    part = load(simulated).part
    assert part is not None
    count = int((part == "test").sum())
    assert plain(tmp_path)["data"]["part"] == "test"
    assert plain(tmp_path)["overall"]["count"] == count
    assert f"on the {count} spectra of the test part (as the file says) of set.parquet: MAE 0.0" in said


@pytest.mark.usefixtures("undrawn")
def test_real_spectra_without_parts_or_properties_are_all_evaluated(
    simulated: Path, write_csv: Callable[[pa.Table], Path], tmp_path: Path
) -> None:
    dataset = load(simulated)
    redshift = dataset.redshift[:60].copy()
    redshift[0] = 2.5
    flux = dataset.flux[:60].copy()
    flux[1] = 3e-20  # in other units: the service gives it no redshift
    flux[1, 0] = 4e-20
    data = write_csv(csv_table(flux, redshift))
    with pytest.raises(InvalidInputError, match="add --policy drop"):
        run(NAME, data, "--report", tmp_path / "report")
    run(SHIPPED_MODELS / NAME, data, "--report", tmp_path / "report", "--policy", "drop")
    found = plain(tmp_path / "report")["data"]
    assert (found["part"], found["galaxies"], found["without_redshift"]) == ("all", 58, 1)
    assert found["left_out"] == {"a redshift outside 0 to 0.6": 1}
    text = (tmp_path / "report" / "index.html").read_text(encoding="utf-8")
    assert "1 of them got no redshift. Left out: 1 row with a redshift outside 0 to 0.6." in text
    with pytest.raises(InvalidInputError, match="has no column part"):
        run(NAME, data, "--report", tmp_path, "--policy", "drop", "--part", "test")


@pytest.mark.usefixtures("sketched")
def test_a_handful_of_galaxies_is_counted_and_drawn_though_not_measured(
    simulated: Path, write_csv: Callable[[pa.Table], Path], tmp_path: Path
) -> None:
    dataset = load(simulated)
    said = run(NAME, write_csv(csv_table(dataset.flux[:3], dataset.redshift[:3])), "--report", tmp_path / "report")
    assert "too few to measure" in said
    assert plain(tmp_path / "report")["overall"] == {
        "low": pytest.approx(dataset.redshift[:3].min()),
        "high": pytest.approx(dataset.redshift[:3].max()),
        "count": 3,
        "metrics": {},
    }


@pytest.mark.usefixtures("sketched")
def test_galaxies_of_one_redshift_and_spectra_without_light_are_evaluated_as_far_as_they_go(
    simulated: Path, write_csv: Callable[[pa.Table], Path], tmp_path: Path
) -> None:
    flux = load(simulated).flux[:40].copy()
    flux[3] = 0
    run(NAME, write_csv(csv_table(flux, np.full(40, 0.25, np.float32))), "--report", tmp_path / "report")
    found = plain(tmp_path / "report")
    assert (found["overall"]["count"], found["data"]["without_redshift"]) == (39, 1)
    assert [group["count"] for group in found["binned"]["true_redshift"]] == [0, 0, 0, 0, 0, 39, 0, 0, 0, 0, 0, 0]
    flux[:] = 0
    flux[:, 0] = 1e-9 * np.arange(40)
    with pytest.raises(InvalidInputError, match="gives none of the 40 spectra a redshift"):
        run(NAME, write_csv(csv_table(flux, np.full(40, 0.25, np.float32))), "--report", tmp_path / "none")


EDGES = np.linspace(0, 0.6, 121)


class DensityModel:
    """The shipped model, its answers made normal densities of sd 0.03, served as the service serves them."""

    def __init__(self) -> None:
        self._model = load_model(NAME)
        self.manifest = self._model.manifest
        self.bundle = SimpleNamespace(
            bins=SimpleNamespace(edges=EDGES, widths=np.diff(EDGES)), read=self._model.bundle.read
        )
        self.asked: list[AnswerOptions] = []

    def check(self, asked: AnswerOptions) -> None:
        self.asked.append(asked)

    def predict(self, batch: SpectrumBatch, asked: AnswerOptions) -> Predictions:
        found = self._model.predict(batch, AnswerOptions())
        mass = np.diff(stats.norm.cdf(EDGES[None], found.redshifts.redshift[:, None], 0.03), axis=1)
        pdf = (mass / mass.sum(axis=1, keepdims=True) / np.diff(EDGES)).round(6)
        return replace(found, redshifts=replace(found.redshifts, pdf=pdf if asked.pdf else None))


def test_a_density_gets_its_scores_and_figures(
    simulated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = DensityModel()
    save = Figure.savefig

    def save_own(drawing: Figure, path: Path, **options: Any) -> None:
        """Draw what a density adds; `report` has drawn the others, which takes seconds."""
        if path.stem in {"pit", "reliability"}:
            save(drawing, path, **options)
        else:
            path.write_bytes(b"")

    monkeypatch.setattr(Figure, "savefig", save_own)
    monkeypatch.setattr(predicted, "load_model", lambda *_: model)
    run(NAME, simulated, "--report", tmp_path, "--part", "all", "--prior", "flat")
    assert model.asked == [AnswerOptions("flat", pdf=True)]
    found = plain(tmp_path)
    assert found["model"]["prior"] == "flat"
    assert 0 < found["density"]["pit_ks"] < 0.3
    assert found["density"]["reliability"][9]["level"] == 0.5
    metrics = found["overall"]["metrics"]
    assert 0.5 * metrics["mae"]["value"] < metrics["crps"]["value"] < metrics["mae"]["value"]
    assert metrics["cde_loss"]["value"] < 0
    assert "crps" in found["binned"]["true_redshift"][2]["metrics"]
    for name in ("pit", "reliability"):
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
        assert "</svg>" in (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
    text = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "Prior: flat." in text
    assert "KS distance 0." in text
    assert "CRPS of the density" in text


def test_a_point_model_has_no_other_prior(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedByModelError, match="needs a density model"):
        run(NAME, simulated, "--report", tmp_path, "--prior", "flat")


def test_figures_name_their_axes_with_units(report: Path) -> None:
    labels = {
        "by-snr-rp": "median signal-to-noise per RP sample",
        "by-magnitude": "G magnitude",
        "redshifts": "galaxies per 0.01 in redshift",
        "predicted-true": "galaxies per 0.005 x 0.005 in redshift",
        "error-per-bin": "predicted - true redshift",
        "mae": "mean absolute error in redshift",
    }
    for name, label in labels.items():
        assert label in (report / f"{name}.svg").read_text(encoding="utf-8")


def test_a_model_that_is_not_there_is_named(simulated: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="there is no model 'nothing'"):
        run("nothing", simulated, "--report", tmp_path)


def test_a_report_that_cannot_be_written_is_one_clear_line(simulated: Path) -> None:
    with pytest.raises(InvalidInputError, match="cannot be written to"):
        run(NAME, simulated, "--report", simulated)
