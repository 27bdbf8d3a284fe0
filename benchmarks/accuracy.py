"""Compare the shipped models with their targets on one simulated test: accuracy, calibration, flags, cost.

    python benchmarks/accuracy.py SURVEY.parquet UNIFORM.parquet OTHERS.parquet [--reference DIR] [--figures DIR]

takes the test parts of `gaia-redshift simulate`'s files (galaxies as the survey's, uniform in redshift, and stars,
quasars, sky and blends), whose parent galaxies were not used in training, and prints the tables of docs/validation.md.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import real_spectra as realism
from engine import multiply_adds
from held_out import FEWEST, FULL_BIN, by_prediction, density_of
from pyarrow import parquet
from robustness import answers, draw, robustness

from gaia_redshift.bundle import ONNX_FILE
from gaia_redshift.interpretation.quality import flag_names
from gaia_redshift.interpretation.result import Redshifts
from gaia_redshift.predictor import Predictor
from gaia_redshift.spectra import DR3
from training.calibration.reference import brightness
from training.data.dataset import Dataset, read
from training.evaluation.densities import kolmogorov_smirnov, pit
from training.evaluation.metrics import by_redshift, measure
from training.evaluation.predicted import Predicted, load_model, predict
from training.simulation.instrument import kept_matrix

POINT, DENSITY = "dissertation-cnn", "default"
FAR_QUASAR, FAR_GALAXY = 0.7, 0.4
ROUNDS = 5
MOST = 100_000
"""Galaxies of the test part; more would come from the same parents."""
REFUSED = ("out_of_distribution", "stellar_like", "low_signal")
"""Flags of spectra that are not of ordinary galaxies."""


class Table:
    """Rows of a measure for both models, with the target and whether it is met."""

    def __init__(self) -> None:
        self.lines = [f"| measure | {POINT} | {DENSITY} | target | met |", "|---|---|---|---|---|"]
        self.missed: list[str] = []

    def add(self, name: str, point: str, density: str, target: str = "", met: bool | None = None) -> None:
        """Add a row; `met` None is a number without a target."""
        self.lines.append(
            f"| {name} | {point} | {density} | {target} | {({True: 'yes', False: 'NO', None: ''})[met]} |"
        )
        if met is False:
            self.missed.append(name)


def main() -> int:
    """Measure and print; exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("survey", "uniform", "others"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--reference", type=Path, default=Path("../shared/reference"))
    parser.add_argument("--figures", type=Path, help="folder for the robustness figure")
    options = parser.parse_args()
    point, density = load_model(POINT), load_model(DENSITY)
    survey, uniform = read(options.survey), read(options.uniform)
    table = Table()
    rows, uniform_rows = test_rows(survey, point), test_rows(uniform, point)
    of_point, of_density = predict(point, survey, rows)[0], predict(density, survey, rows)[0]
    flat = predict(density, uniform, uniform_rows, "flat")[0]
    accuracy(table, of_point, of_density, brightness(survey.flux[rows]))
    bias(table, predict(point, uniform, uniform_rows)[0], flat, of_point, of_density)
    honesty(table, of_point, of_density, brightness(survey.flux[rows]))
    far = uniform.flux[uniform_rows][flat.true > FAR_GALAXY]
    flags(table, (point, density), survey.flux[rows], far, options.others)
    real(table, (point, density), options.reference)
    cost(table, point, density, survey.flux[rows])
    print("\n".join(table.lines))
    by_prediction(density, survey, of_density)
    curves = robustness((point, density), survey, rows)
    if options.figures:
        draw(options.figures, curves, (POINT, DENSITY))
    return 1 if table.missed else 0


def test_rows(dataset: Dataset, model: Predictor) -> np.ndarray:
    """Return rows of the test part, as many as are needed, but the few that a model refuses: its range is narrower."""
    rows = np.flatnonzero(dataset.part == "test")[:MOST]
    return rows[np.isfinite(answers(model, dataset.flux[rows]).redshift)]


def accuracy(table: Table, point: Predicted, density: Predicted, bright: np.ndarray) -> None:
    """Compare errors under the survey's prior, in all and by brightness, with those that the densities expect."""
    one, other = measure(point.true, point.point), measure(density.true, density.point)
    table.add("test galaxies", f"{len(point.true):,}", f"{len(density.true):,}")
    for name, label, gain in (("mae", "MAE", 0.15), ("nmad", "NMAD", 0.20)):
        better = 1 - other[name] / one[name]
        goal = f"{gain:.0%} better"
        table.add(label, f"{one[name]:.4f}", f"{other[name]:.4f} ({better:+.1%} better)", goal, better >= gain)
    for name, label in (("rms", "RMS"), ("outliers_15", "abs(dz) > .15"), ("outliers_05", "abs(dz) > .05")):
        table.add(label, f"{one[name]:.4f}", f"{other[name]:.4f}")
    quartile = quartiles(bright)
    by_quartile = [
        [np.abs(each.point - each.true)[quartile == one].mean() for one in range(4)] for each in (point, density)
    ]
    shown = [", ".join(f"{error:.4f}" for error in errors) for errors in by_quartile]
    table.add("MAE by quartile of brightness, faintest first", *shown)
    table.add("MAE that the densities expect", "-", f"{expected(density):.4f}")


def quartiles(bright: np.ndarray) -> np.ndarray:
    """Return the quartile of each brightness, 0 the faintest."""
    return np.digitize(bright, np.quantile(bright, [0.25, 0.5, 0.75]))


def expected(found: Predicted) -> float:
    """Return the mean absolute error of the median that the densities expect."""
    densities, centre = density_of(found)
    return float(np.mean([d @ np.abs(centre - z) for d, z in zip(densities, found.point, strict=True)]))


def bias(table: Table, point: Predicted, flat: Predicted, of_point: Predicted, of_density: Predicted) -> None:
    """Compare mean errors: by true redshift on uniform galaxies (flat prior), by predicted redshift on the survey's."""
    for one, other in zip(by_redshift(point.true, point.point), by_redshift(flat.true, flat.point), strict=True):
        limit = 0.02 if 0.35 <= one.low < 0.5 else 0.06 if one.low >= 0.5 else None
        met = None if limit is None else abs(other.mean_error) <= limit
        name = f"mean error at true z {one.low:.2f}-{one.high:.2f}, uniform galaxies, flat prior"
        goal = f"<= {limit}" if limit else ""
        table.add(name, f"{one.mean_error:+.3f}", f"{other.mean_error:+.3f}", goal, met)
    worst = [
        max(
            (abs(row.mean_error), row.low)
            for row in by_redshift(each.true, each.point, each.point)
            if row.count >= FEWEST
        )
        for each in (of_point, of_density)
    ]
    shown = [f"{error:.4f} at {low:.2f}" for error, low in worst]
    table.add("largest mean error by predicted z, survey's galaxies", *shown, "<= .01", worst[1][0] <= 0.01)


def honesty(table: Table, point: Predicted, density: Predicted, bright: np.ndarray) -> None:
    """Compare coverage in each full bin of predicted redshift and quartile of brightness, and the PIT."""
    spread = []
    for each in (point, density):
        number = np.digitize(each.point, np.arange(0.05, 0.6, 0.05))
        groups = [number == bin_number for bin_number in np.unique(number) if (number == bin_number).sum() >= FULL_BIN]
        quartile = quartiles(bright)
        groups += [quartile == one for one in range(4)]
        held = [(each.inside68[group].mean(), each.inside95[group].mean(), group.sum()) for group in groups]
        spread.append(np.array(held))
    for column, level, slack in ((0, 0.68, 0.02), (1, 0.95, 0.015)):
        shown = [f"{each[:, column].min():.1%} to {each[:, column].max():.1%}" for each in spread]
        met = bool((np.abs(spread[1][:, column] - level) <= slack).all())
        goal = f"{level:.0%} ± {slack:.1%}"
        table.add(f"coverage of the {level:.0%} interval, over bins and brightness quartiles", *shown, goal, met)
    if density.density is None or density.bin_edges is None:
        raise SystemExit(f"{DENSITY} gives no density")
    distance = kolmogorov_smirnov(pit(density.density, density.bin_edges, density.true))
    table.add("PIT, Kolmogorov-Smirnov distance", "-", f"{distance:.4f}", "< .02", distance < 0.02)


def flagged(model: Predictor, flux: np.ndarray, names: tuple[str, ...]) -> float:
    """Return the fraction of spectra with any of these flags, or without a redshift."""
    return share_of(answers(model, flux), names)


def share_of(found: Redshifts, names: tuple[str, ...]) -> float:
    """Return the fraction of answers with any of these flags, or without a redshift."""
    raised = [not set(names).isdisjoint(flag_names(bits)) for bits in found.flags.tolist()]
    return float(np.mean(raised | ~np.isfinite(found.redshift)))


def flags(
    table: Table, models: tuple[Predictor, Predictor], galaxies: np.ndarray, far_galaxies: np.ndarray, others: Path
) -> None:
    """Compare how often each kind of source is flagged."""
    found = [answers(model, galaxies) for model in models]
    ood = [share_of(each, ("out_of_distribution",)) for each in found]
    table.add("galaxies flagged out_of_distribution", *[f"{each:.1%}" for each in ood], "<= 3%", ood[1] <= 0.03)
    ood = [flagged(model, far_galaxies, ("out_of_distribution",)) for model in models]
    table.add(f"galaxies beyond z = {FAR_GALAXY} flagged out_of_distribution", *[f"{each:.1%}" for each in ood])
    any_flag = [share_of(each, REFUSED) for each in found]
    table.add(f"galaxies with {' or '.join(REFUSED)}", *[f"{each:.1%}" for each in any_flag])
    read_others = parquet.read_table(others, columns=["kind", "z", "flux", "part"], filters=[("part", "=", "test")])
    kind = np.array(read_others["kind"].cast("string").to_pylist())
    redshift = read_others["z"].to_numpy()
    flux = read_others["flux"].combine_chunks().flatten().to_numpy().reshape(-1, DR3.samples)
    far = np.nan_to_num(redshift) > FAR_QUASAR
    for name, rows, target in (
        ("stars", kind == "star", True),
        (f"quasars, z > {FAR_QUASAR}", (kind == "quasar") & far, True),
        (f"quasars, z < {FAR_QUASAR}", (kind == "quasar") & ~far, False),
        ("blank sky", kind == "sky", True),
        ("blends of a galaxy and a star", kind == "blend", False),
    ):
        share = [flagged(model, flux[rows], REFUSED) for model in models]
        met = share[1] >= 0.95 if target else None
        table.add(f"{name} flagged", *[f"{each:.1%}" for each in share], ">= 95%" if target else "", met)
    for name, damaged in damages(galaxies[:2000]).items():
        share = [flagged(model, damaged, ("out_of_distribution",)) for model in models]
        table.add(f"galaxies {name}: out_of_distribution", *[f"{each:.1%}" for each in share])


def damages(flux: np.ndarray) -> dict[str, np.ndarray]:
    """Return damaged spectra by the kind of damage."""
    random = np.random.default_rng(3)
    spiked = flux.copy()
    spiked[np.arange(len(flux)), random.integers(DR3.samples, size=len(flux))] += 3 * flux.max(axis=1)
    no_blue = flux.copy()
    no_blue[:, : DR3.bp.count] = 0
    return {
        "without BP": no_blue,
        "with a spike": spiked,
        "in reversed order": flux[:, ::-1],
        "with scrambled samples": random.permuted(flux, axis=1),
        "with RP before BP": np.concatenate([flux[:, DR3.bp.count :], flux[:, : DR3.bp.count]], axis=1),
    }


def real(table: Table, models: tuple[Predictor, Predictor], reference: Path) -> None:
    """Test the real stars and the real galaxy, if their files are there."""
    if not reference.is_dir():
        return
    stars: dict[str, dict[str, np.ndarray]] = {}
    for star in realism.read_stars(reference / "gaia_xp"):
        stars.setdefault(star.source_id, {})[star.band] = star.coefficients @ kept_matrix(star.band)
    flux = []
    for bands in stars.values():
        whole = np.concatenate([bands.get("BP", np.zeros(DR3.bp.count)), bands["RP"]])
        # As they are, millions of times too bright, and as bright as a galaxy.
        flux += [whole, whole * 10 / bands["RP"].max()]
    share = [flagged(model, np.array(flux), REFUSED) for model in models]
    shown = [f"{each * len(flux):.0f} of {len(flux)}" for each in share]
    table.add("real stars flagged, as they are and as bright as galaxies", *shown, "all", share[1] == 1)
    galaxy = np.loadtxt(reference / "real_galaxy.csv", delimiter=",", skiprows=1)[None]
    found = [answers(model, galaxy) for model in models]
    flags = [flag_names(int(each.flags[0])) for each in found]
    shown = [
        f"{each.redshift[0]:.4f}, flags: {', '.join(raised) or 'none'}"
        for each, raised in zip(found, flags, strict=True)
    ]
    table.add("the real galaxy", *shown, "no flag", not flags[1])


def cost(table: Table, point: Predictor, density: Predictor, flux: np.ndarray) -> None:
    """Compare multiply-adds and, in turn, spectra per second through the same engine."""
    operations = [multiply_adds(model.bundle.read(ONNX_FILE)) / 1e6 for model in (point, density)]
    table.add("multiply-adds, million", *[f"{each:.2f}" for each in operations], "<= 5", operations[1] <= 5)
    batch = np.ascontiguousarray(flux[:4096])
    seconds: list[list[float]] = [[], []]
    for _ in range(ROUNDS):
        for taken, model in zip(seconds, (point, density), strict=True):
            taken.append(timed(lambda m=model: m.engine(batch)))
    rate = [len(batch) / float(np.median(taken)) for taken in seconds]
    goal = rate[1] / rate[0]
    shown = (f"{rate[0]:,.0f}", f"{rate[1]:,.0f} ({goal:.1f} times)")
    table.add("spectra per second, network alone", *shown, "5 times", goal >= 5)


def timed(work: Callable[[], object]) -> float:
    """Return the processor time that `work` takes, which other programs hardly change."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    sys.exit(main())
