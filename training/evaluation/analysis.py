"""Chapter 3 of the dissertation for any data set: numbers, figures, a page. Imports `dataset`, `page` and `figures`."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kurtosis, skew

from gaia_redshift.spectra import DR3
from training.data.dataset import ORIGIN, Dataset
from training.evaluation import page
from training.evaluation.figures import figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
BIN_WIDTH = 0.05
HISTOGRAM_WIDTH = 0.01
RANGE_WIDTH = 0.1
RANDOM_SPECTRA = 5
SEED = 4


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of section 3.2 of the dissertation; skewness and excess kurtosis are corrected for bias."""

    count: int
    mean: float
    median: float
    sd: float
    skewness: float
    kurtosis: float
    percentiles: dict[int, float]
    bins: list[tuple[float, float, float]]
    """Low edge, high edge, percent of the galaxies."""


def statistics(redshift: NDArray[np.float64]) -> Statistics:
    """Return the statistics of redshifts, shape (n,) with n > 3."""
    counts, edges = np.histogram(redshift, np.arange(0, redshift.max() + BIN_WIDTH, BIN_WIDTH))
    percent = 100 * counts / len(redshift)
    return Statistics(
        count=len(redshift),
        mean=float(redshift.mean()),
        median=float(np.median(redshift)),
        sd=float(redshift.std()),
        skewness=float(skew(redshift, bias=False)),
        kurtosis=float(kurtosis(redshift, bias=False)),
        percentiles={percent: float(np.percentile(redshift, percent)) for percent in PERCENTILES},
        bins=list(zip(edges[:-1].tolist(), (edges[:-1] + BIN_WIDTH).tolist(), percent.tolist(), strict=True)),
    )


def _draw_redshifts(axes: "Axes", data: Dataset) -> None:
    edges = np.arange(0, data.redshift.max() + HISTOGRAM_WIDTH, HISTOGRAM_WIDTH)
    axes.hist(data.redshift, bins=edges.tolist(), edgecolor="white", linewidth=0.3)
    axes.set(xlabel="redshift", ylabel=f"galaxies per {HISTOGRAM_WIDTH}", title="Redshifts")


def _draw_cumulative(axes: "Axes", data: Dataset) -> None:
    ordered = np.sort(data.redshift)
    axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered))
    for percent, value in statistics(data.redshift.astype(np.float64)).percentiles.items():
        at = (value, percent / 100)
        axes.plot([value, value], [0, at[1]], color="#999999", linewidth=0.8, linestyle="--")
        axes.annotate(f"{percent}%: {value:.3f}", at, (6, -4), textcoords="offset points", fontsize=7)
    axes.set(xlabel="redshift", ylabel="fraction of galaxies below", title="Cumulative redshifts")


def _draw_spectra(axes: "Axes", data: Dataset) -> None:
    """Draw a few spectra, chosen at random."""
    rows = np.random.default_rng(SEED).choice(len(data), min(RANDOM_SPECTRA, len(data)), replace=False)
    for colour, row in enumerate(rows[np.argsort(data.redshift[rows])]):
        _draw_bands(axes, data.flux[row], f"C{colour}", f"z = {data.redshift[row]:.3f}, row {row}")
    _label_spectra(axes, "Spectra chosen at random")


def _draw_means(axes: "Axes", data: Dataset) -> None:
    """Draw the mean flux in ranges of redshift."""
    for colour, low in enumerate(np.arange(0, data.redshift.max(), RANGE_WIDTH)):
        inside = (data.redshift >= low) & (data.redshift < low + RANGE_WIDTH)
        if inside.any():
            mean = data.flux[inside].mean(axis=0, dtype=np.float64)
            label = f"z {low:.1f} to {low + RANGE_WIDTH:.1f}, n = {inside.sum()}"
            _draw_bands(axes, mean, f"C{colour % 6}", label)
    _label_spectra(axes, "Mean flux in ranges of redshift")


def _draw_bands(axes: "Axes", flux: NDArray[np.floating], colour: str, label: str) -> None:
    nm = DR3.wavelength_nm
    axes.plot(nm[: DR3.bp.count], flux[: DR3.bp.count], color=colour, label=label)
    axes.plot(nm[DR3.bp.count :], flux[DR3.bp.count :], color=colour)


def _label_spectra(axes: "Axes", title: str) -> None:
    axes.set(xlabel="wavelength in nm (BP to 626, RP from 620)", ylabel="flux in e-/s per sample", title=title)
    axes.legend(fontsize=8)


FIGURES: dict[str, Callable[["Axes", Dataset], None]] = {
    "redshifts": _draw_redshifts,
    "cumulative": _draw_cumulative,
    "spectra": _draw_spectra,
    "mean-flux": _draw_means,
}


def write_analysis(data: Dataset, directory: Path) -> Statistics:
    """Write the figures, ``statistics.json`` and ``index.html``; raises InvalidInputError where that cannot be done."""
    found = statistics(data.redshift.astype(np.float64))
    with page.report_in(directory):
        for name, draw in FIGURES.items():
            with figure(name, directory) as axes:
                draw(axes, data)
        (directory / "statistics.json").write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")
        (directory / "index.html").write_text(_page(data, found, directory), "utf-8")
    return found


def _page(data: Dataset, found: Statistics, directory: Path) -> str:
    """Return one HTML page that holds the statistics and the figures themselves, and links nothing."""
    numbers = [
        ("galaxies", f"{found.count}"),
        ("mean", f"{found.mean:.4f}"),
        ("median", f"{found.median:.4f}"),
        ("standard deviation", f"{found.sd:.4f}"),
        ("skewness", f"{found.skewness:.3f}"),
        ("excess kurtosis", f"{found.kurtosis:.3f}"),
        *((f"percentile {percent}", f"{value:.4f}") for percent, value in found.percentiles.items()),
    ]
    bins = [(f"{low:.2f} to {high:.2f}", f"{percent:.2f}%") for low, high, percent in found.bins]
    return page.page(
        f"Analysis of {data.name}",
        page.paragraph(f"{ORIGIN[data.simulated]} SHA-256 {data.sha256}"),
        f'<div class="side">{page.table("Redshifts", numbers)}{page.table("Percent per bin", bins)}</div>',
        *(page.picture(name, directory) for name in FIGURES),
    )
