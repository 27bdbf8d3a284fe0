"""Compare models with a constant, nearest neighbours, and published results for real spectra.

    python benchmarks/accuracy_baselines.py DATA.parquet --model dissertation-cnn --model models/mine

prints the table of docs/validation.md as Markdown: everything is fitted on the training part, the neighbours' number
and input are chosen on the validation part, and all is measured on the test part, with bootstrap errors.
"""

import argparse
import itertools
import sys
import time
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import MinMaxScaler

from gaia_redshift.spectra import DR3
from training.data.dataset import Dataset, read
from training.data.split import Split, split
from training.evaluation import binned
from training.evaluation.metrics import METRICS, PUBLISHED, measure, plus_minus
from training.evaluation.predicted import Predicted, load_model, predict

COMPONENTS = 20
NEIGHBOURS = (5, 10, 20, 40, 80)
CHOSEN_ON = 5000
"""Validation spectra that choose the neighbours."""

COLUMNS = ("mae", "rms", "bias_mean", "nmad", "outliers_15", "outliers_05", "coverage_68", "coverage_95")
HEADS = ("MAE", "RMS", "mean dz", "NMAD", "abs(dz) > .15", "abs(dz) > .05", "in 68%", "in 95%")


def shape_and_brightness(flux: np.ndarray) -> np.ndarray:
    """Return spectra divided by their mean RP flux, and its logarithm as a further column."""
    brightness = np.maximum(flux[:, DR3.bp.count :].mean(axis=1, keepdims=True), 0.05)
    return np.hstack([flux / brightness, np.log(brightness)])


def nearest_neighbours(dataset: Dataset, parts: Split) -> tuple[str, np.ndarray]:
    """Return a description of the chosen neighbours, and the redshifts of the test part."""
    flux, redshift = dataset.flux, dataset.redshift
    some = parts.validation[np.linspace(0, len(parts.validation) - 1, CHOSEN_ON, dtype=int)]
    tried = {}
    scaler = MinMaxScaler().fit(flux[parts.train])
    for words, prepare in {"scaled fluxes": scaler.transform, "shape and brightness": shape_and_brightness}.items():
        components = PCA(COMPONENTS, random_state=0).fit(prepare(flux[parts.train]))
        train = components.transform(prepare(flux[parts.train]))
        for count in NEIGHBOURS:
            found = KNeighborsRegressor(count, weights="distance").fit(train, redshift[parts.train])
            error = measure(redshift[some], found.predict(components.transform(prepare(flux[some]))))["mae"]
            tried[error] = (
                f"{count} nearest neighbours, {COMPONENTS} components of {words}",
                found,
                components,
                prepare,
            )
    words, found, components, prepare = tried[min(tried)]
    return words, found.predict(components.transform(prepare(flux[parts.test])))


def without_intervals(dataset: Dataset, rows: np.ndarray, point: np.ndarray) -> Predicted:
    """Return predictions without intervals."""
    unknown = dict.fromkeys(("lower68", "upper68", "lower95", "upper95"), np.full(len(rows), np.nan))
    family = rows if dataset.parent is None else dataset.parent[rows]
    return Predicted(true=dataset.redshift[rows].astype(float), point=point.astype(float), family=family, **unknown)


def row(name: str, galaxies: Predicted) -> str:
    """Return one line of the table."""
    found = binned.overall(galaxies).metrics
    cells = []
    for column in COLUMNS:
        how = METRICS[column][1]
        known = np.isfinite(galaxies.lower68).all() or not column.startswith("coverage")
        cells.append(f"{found[column].value:{how}} {plus_minus(found[column].error, how)}".strip() if known else "-")
    return f"| {' | '.join([name, *cells])} |"


def published() -> list[str]:
    """Return published results for real spectra."""
    mean, sigma, percent = np.array(PUBLISHED).T
    rms = np.sqrt((percent * (mean**2 + sigma**2)).sum() / percent.sum())
    unknown = " | -" * (len(COLUMNS) - 2)
    real = "*real spectra, other galaxies, not comparable:*"
    return [
        f"| {real} dissertation (Kiraleos 2023) | 0.0213 | {rms:.4f}, from its table 3{unknown} |",
        f"| {real} UGC, clean set (Delchambre et al. 2023) | - | 0.038, from mean .008 and sd .037{unknown} |",
    ]


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", action="append", default=[], help="a bundle's folder or name; repeatable")
    parser.add_argument("--seed", type=int, default=4, help="of the split, where the file leaves it open")
    options = parser.parse_args()
    dataset = read(options.data)
    parts = split(dataset, options.seed)
    counts = ", ".join(f"{count:,} {part}" for part, count in parts.counts().items())
    print(f"{dataset.name}: {counts}; split {parts.how}\n")
    lines = [f"| {' | '.join(['', *HEADS])} |", "|---" * (len(HEADS) + 1) + "|"]
    median = np.median(dataset.redshift[parts.train])
    constant = np.full(len(parts.test), median)
    lines.append(row(f"constant, {median:.3f}", without_intervals(dataset, parts.test, constant)))
    started = time.monotonic()
    words, point = nearest_neighbours(dataset, parts)
    print(f"nearest neighbours took {time.monotonic() - started:.0f} s", file=sys.stderr)
    lines.append(row(words, without_intervals(dataset, parts.test, point)))
    for wanted in options.model:
        model = load_model(wanted)
        lines.append(row(f"{model.manifest.name} {model.manifest.version}", predict(model, dataset, parts.test)[0]))
    for line in itertools.chain(lines, published()):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
