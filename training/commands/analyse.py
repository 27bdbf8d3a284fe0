"""``gaia-redshift analyse``: chapter 3 of the dissertation for any data set. Imports `dataset` and `figures`.

Importing this loads no numerical library beyond what the command line needs.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gaia_redshift.errors import counted
from training.commands.options import DataArgument, PolicyOption
from training.evaluation import page

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from training.data.dataset import Dataset

PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
BIN_WIDTH = 0.05
HISTOGRAM_WIDTH = 0.01
RANGE_WIDTH = 0.1
RANDOM_SPECTRA = 5
SEED = 4


@dataclass(frozen=True, slots=True)
class Statistics:
    """Numbers of section 3.2 of the dissertation."""

    count: int
    mean: float
    median: float
    sd: float
    skewness: float
    kurtosis: float
    """Excess, both bias-corrected as pandas gives them."""
    percentiles: dict[int, float]
    bins: list[tuple[float, float, float]]
    """Low edge, high edge, percent of the galaxies."""


def statistics(redshift: NDArray[np.float64]) -> Statistics:
    """Return the statistics of redshifts, shape (n,) with n > 3."""
    import numpy as np
    from scipy.stats import kurtosis, skew

    n = len(redshift)
    edges = np.arange(0, redshift.max() + BIN_WIDTH, BIN_WIDTH)
    counts, _ = np.histogram(redshift, bins=edges)
    return Statistics(
        count=n,
        mean=float(redshift.mean()),
        median=float(np.median(redshift)),
        sd=float(redshift.std()),
        skewness=float(skew(redshift, bias=False)),
        kurtosis=float(kurtosis(redshift, bias=False)),
        percentiles={percent: float(np.percentile(redshift, percent)) for percent in PERCENTILES},
        bins=[
            (float(low), float(low + BIN_WIDTH), float(100 * share / n))
            for low, share in zip(edges[:-1], counts, strict=True)
        ],
    )


def draw_redshifts(axes: Axes, data: Dataset) -> None:
    """Draw the histogram of redshifts."""
    import numpy as np

    edges = np.arange(0, data.redshift.max() + HISTOGRAM_WIDTH, HISTOGRAM_WIDTH)
    axes.hist(data.redshift, bins=edges.tolist(), edgecolor="white", linewidth=0.3)
    axes.set(xlabel="redshift", ylabel=f"galaxies per {HISTOGRAM_WIDTH}", title="Redshifts")


def draw_cumulative(axes: Axes, data: Dataset) -> None:
    """Draw the cumulative curve with its percentiles."""
    import numpy as np

    ordered = np.sort(data.redshift)
    axes.plot(ordered, np.arange(1, len(ordered) + 1) / len(ordered))
    for percent, value in statistics(data.redshift.astype(np.float64)).percentiles.items():
        axes.plot([value, value], [0, percent / 100], color="#999999", linewidth=0.8, linestyle="--")
        axes.annotate(
            f"{percent}%: {value:.3f}", (value, percent / 100), (6, -4), textcoords="offset points", fontsize=7
        )
    axes.set(xlabel="redshift", ylabel="fraction of galaxies below", title="Cumulative redshifts")


def draw_spectra(axes: Axes, data: Dataset) -> None:
    """Draw a few spectra, chosen at random."""
    import numpy as np

    rows = np.random.default_rng(SEED).choice(len(data), min(RANDOM_SPECTRA, len(data)), replace=False)
    for colour, row in enumerate(rows[np.argsort(data.redshift[rows])]):
        _draw_bands(axes, data.flux[row], f"C{colour}", f"z = {data.redshift[row]:.3f}, row {row}")
    _label_spectra(axes, "Spectra chosen at random")


def draw_means(axes: Axes, data: Dataset) -> None:
    """Draw the mean flux in ranges of redshift."""
    import numpy as np

    for colour, low in enumerate(np.arange(0, data.redshift.max(), RANGE_WIDTH)):
        inside = (data.redshift >= low) & (data.redshift < low + RANGE_WIDTH)
        if inside.any():
            mean = data.flux[inside].mean(axis=0, dtype=np.float64)
            label = f"z {low:.1f} to {low + RANGE_WIDTH:.1f}, n = {inside.sum()}"
            _draw_bands(axes, mean, f"C{colour % 6}", label)
    _label_spectra(axes, "Mean flux in ranges of redshift")


def _draw_bands(axes: Axes, flux: NDArray[np.floating], colour: str, label: str) -> None:
    from gaia_redshift.spectra import DR3

    nm = DR3.wavelength_nm
    axes.plot(nm[: DR3.bp.count], flux[: DR3.bp.count], color=colour, label=label)
    axes.plot(nm[DR3.bp.count :], flux[DR3.bp.count :], color=colour)


def _label_spectra(axes: Axes, title: str) -> None:
    axes.set(xlabel="wavelength in nm (BP to 626, RP from 620)", ylabel="flux in e-/s per sample", title=title)
    axes.legend(fontsize=8)


FIGURES: dict[str, Callable[[Axes, Dataset], None]] = {
    "redshifts": draw_redshifts,
    "cumulative": draw_cumulative,
    "spectra": draw_spectra,
    "mean-flux": draw_means,
}


def _page(data: Dataset, found: Statistics, directory: Path) -> str:
    """Return one HTML page that holds the statistics and the figures themselves, and links nothing."""
    from training.data.dataset import ORIGIN

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


EXAMPLES = """
gaia-redshift analyse spectra.parquet --report analysis
"""


def analyse(
    data: DataArgument,
    report: Annotated[Path, typer.Option("--report", help="Directory for the figures, numbers and page.")],
    policy: PolicyOption = "refuse",
) -> None:
    """Describe a data set: redshifts, percentiles, spectra and mean fluxes, as figures and one page."""
    import numpy as np

    from training.data import dataset
    from training.evaluation.figures import figure

    read = dataset.read(data, policy)
    dataset.say_dropped(read)
    found = statistics(read.redshift.astype(np.float64))
    with page.report_in(report):
        for name, draw in FIGURES.items():
            with figure(name, report) as axes:
                draw(axes, read)
        (report / "statistics.json").write_text(json.dumps(asdict(found), indent=2) + "\n", "utf-8")
        (report / "index.html").write_text(_page(read, found, report), "utf-8")
    typer.echo(
        f"{counted(found.count, 'galaxy', 'galaxies')}, redshift mean {found.mean:.3f}, median {found.median:.3f}, "
        f"sd {found.sd:.3f}, skewness {found.skewness:.3f}; see {report / 'index.html'}"
    )
