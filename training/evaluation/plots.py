"""The figures of an evaluation: 13 to 18 of the dissertation, and those of the photo-z community. Imports `figures`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from training.evaluation.binned import BINNINGS, Group
from training.evaluation.densities import LEVELS, reliability
from training.evaluation.figures import INK, PALETTE, figure
from training.evaluation.metrics import BIN_EDGES, PUBLISHED, by_redshift
from training.evaluation.predicted import Predicted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, VERMILION, GREEN = PALETTE[:3]
ROUND = {"color": BLUE, "fmt": "o"}
SQUARES = {"color": VERMILION, "fmt": "s"}
HISTOGRAM_WIDTH = 0.01
SQUARE = {"figsize": (5.8, 5.2)}
PIT_BINS = 20


def draw_curves(directory: Path, epochs: NDArray[np.void]) -> list[str]:
    """Draw loss and, where the training measured it, mean absolute error by epoch (figures 13 to 15)."""
    curves = {"loss": ("loss", "loss"), "mae": ("mean_absolute_error", "mean absolute error in redshift")}
    drawn = {name: what for name, what in curves.items() if f"val_{what[0]}" in (epochs.dtype.names or ())}
    best = int(epochs["epoch"][epochs["val_loss"].argmin()])
    for name, (column, label) in drawn.items():
        with figure(name, directory) as axes:
            for what, prefix, marks, colour in (("training", "", "o-", BLUE), ("validation", "val_", "s-", VERMILION)):
                axes.plot(epochs["epoch"], epochs[prefix + column], marks, color=colour, markersize=3.5, label=what)
            axes.axvline(best, color=INK, linewidth=0.8, linestyle=":", label=f"kept: epoch {best}")
            axes.set(xlabel="epoch", ylabel=label)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.legend()
    return list(drawn)


def draw_error_per_bin(directory: Path, galaxies: Predicted) -> list[str]:
    """Draw mean error and standard deviation per bin, and the dissertation's on real spectra (figure 16, table 3)."""
    rows = [row for row in by_redshift(galaxies.true, galaxies.point) if row.count]
    centres = np.array([(row.low + row.high) / 2 for row in rows])
    published = (BIN_EDGES[:-1] + BIN_EDGES[1:]) / 2
    means, sigmas, _ = zip(*PUBLISHED, strict=True)
    ours = {"fmt": "o", "color": BLUE, "capsize": 3, "label": "this model, this data"}
    theirs = {"fmt": "D", "color": VERMILION, "capsize": 3, "markersize": 4, "fillstyle": "none"}
    with figure("error-per-bin", directory) as axes:
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.errorbar(centres - 0.005, [row.mean_error for row in rows], [row.sigma for row in rows], **ours)
        axes.errorbar(published + 0.005, means, sigmas, label="dissertation, real spectra (other galaxies)", **theirs)
        axes.set(xlabel="true redshift", ylabel="predicted - true redshift\n(mean and standard deviation)")
        axes.set_xticks(BIN_EDGES[::2])
        axes.legend(loc="lower left")
    return ["error-per-bin"]


def draw_redshifts(directory: Path, galaxies: Predicted) -> list[str]:
    """Draw how many galaxies have, and are given, each redshift (figure 17)."""
    top = max(float(galaxies.true.max()), float(galaxies.point.max()), BIN_EDGES[-1])
    low = min(0.0, float(np.floor(galaxies.point.min() / HISTOGRAM_WIDTH)) * HISTOGRAM_WIDTH)
    edges = np.arange(low, top + HISTOGRAM_WIDTH, HISTOGRAM_WIDTH)
    with figure("redshifts", directory) as axes:
        true, predicted = (np.histogram(values, edges)[0] for values in (galaxies.true, galaxies.point))
        axes.stairs(true, edges, fill=True, color=BLUE, alpha=0.35, label="true")
        axes.stairs(predicted, edges, color=VERMILION, linewidth=1.6, label="predicted")
        axes.set(xlabel="redshift", ylabel=f"galaxies per {HISTOGRAM_WIDTH} in redshift")
        axes.legend()
    return ["redshifts"]


def draw_plane(directory: Path, galaxies: Predicted) -> list[str]:
    """Draw predicted against true redshift, the number of galaxies as a logarithmic colour (figure 18)."""
    from matplotlib.colors import LogNorm

    edges = np.arange(0, 0.6 + HISTOGRAM_WIDTH / 2, HISTOGRAM_WIDTH / 2)
    with figure("predicted-true", directory, figsize=(6.6, 5.2)) as axes:
        counts, *_ = np.histogram2d(galaxies.true, galaxies.point, bins=(edges, edges))
        shown = np.ma.masked_equal(counts.T, 0)
        mesh = axes.pcolormesh(edges, edges, shown, cmap="cividis", norm=LogNorm(1, max(2, counts.max())))
        axes.plot([0, 0.6], [0, 0.6], color=VERMILION, linewidth=1, label="predicted = true")
        axes.set(xlabel="true redshift", ylabel="predicted redshift", xlim=(0, 0.6), ylim=(0, 0.6), aspect="equal")
        label = f"galaxies per {HISTOGRAM_WIDTH / 2:g} x {HISTOGRAM_WIDTH / 2:g} in redshift"
        axes.figure.colorbar(mesh, ax=axes, label=label, shrink=0.8, format="%g")
        axes.legend(loc="upper left")
    return ["predicted-true"]


def draw_groups(directory: Path, name: str, groups: Sequence[Group]) -> list[str]:
    """Draw bias, scatter, outliers and coverage of the bins of one of `BINNINGS`, with bootstrap errors."""
    shown = [group for group in groups if group.metrics]
    if not shown:
        return []
    binning, title = BINNINGS[name], f"by-{name.replace('_', '-')}"
    with figure(title, directory, nrows=2, ncols=2, sharex=True, figsize=(9, 6)) as panels:
        bias, scatter, outliers, coverage = panels.ravel()
        bias.axhline(0, color=INK, linewidth=0.8)
        _points(bias, shown, "bias_median", ROUND)
        bias.set(ylabel="bias: median dz")
        _points(scatter, shown, "nmad", ROUND)
        scatter.set(ylabel="scatter: NMAD of dz", ylim=(0, None))
        _points(outliers, shown, "outliers_15", SQUARES | {"label": "|dz| > 0.15"}, percent=True)
        _points(outliers, shown, "outliers_05", ROUND | {"label": "|dz| > 0.05"}, percent=True)
        outliers.set(ylabel="outliers in %", ylim=(0, None), xlabel=binning.axis)
        for level, look in ((68, ROUND), (95, SQUARES)):
            coverage.axhline(level, color=look["color"], linewidth=0.8, linestyle=":")
            _points(coverage, shown, f"coverage_{level}", look | {"label": f"{level}% interval"}, percent=True)
        coverage.set(ylabel="true redshifts inside, in %", ylim=(0, 103), xlabel=binning.axis)
        for axes in (outliers, coverage):
            axes.legend(loc="best")
        if binning.logarithmic:
            coverage.set_xscale("symlog", base=2, linthresh=1)
            coverage.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            coverage.set_xlim(shown[0].low, shown[-1].high)
    return [title]


def draw_reliability(directory: Path, galaxies: Predicted) -> list[str]:
    """Draw the observed against the nominal fraction in the intervals, of densities at every level."""
    with figure("reliability", directory, **SQUARE) as axes:
        axes.plot([0, 100], [0, 100], color=INK, linewidth=0.8, label="calibrated")
        if galaxies.pit is not None:
            axes.plot(
                100 * LEVELS, 100 * reliability(galaxies.pit), ".-", color=GREEN, label="density, central intervals"
            )
        held = [100 * galaxies.inside68.mean(), 100 * galaxies.inside95.mean()]
        axes.plot([68, 95], held, "o", color=BLUE, markersize=7, label="calibrated 68 and 95% intervals")
        axes.set(xlabel="nominal, in %", ylabel="true redshifts inside, in %", aspect="equal")
        axes.legend(loc="upper left")
    return ["reliability"]


def draw_pit(directory: Path, pit: NDArray[np.float64]) -> list[str]:
    """Draw the histogram of the probability integral transform, flat where densities are calibrated."""
    counts, edges = np.histogram(pit, PIT_BINS, (0, 1))
    expected = len(pit) / PIT_BINS
    with figure("pit", directory) as axes:
        axes.stairs(counts / expected, edges, fill=True, color=BLUE, alpha=0.35)
        axes.axhline(1, color=INK, linewidth=0.8)
        # What chance does to a flat histogram of so many galaxies.
        axes.axhspan(1 - 2 / np.sqrt(expected), 1 + 2 / np.sqrt(expected), color=VERMILION, alpha=0.2, linewidth=0)
        axes.set(xlabel="density's mass below the true redshift (PIT)", xlim=(0, 1))
        axes.set(ylabel="galaxies / expected\n(band: two standard deviations of chance)")
    return ["pit"]


def _points(
    axes: "Axes", groups: Sequence[Group], metric: str, look: Mapping[str, Any], *, percent: bool = False
) -> None:
    low, high = np.array([(group.low, group.high) for group in groups]).T
    found = np.array([(group.metrics[metric].value, group.metrics[metric].error or 0.0) for group in groups])
    values, errors = (100 if percent else 1) * found.T
    axes.errorbar((low + high) / 2, values, errors, (high - low) / 2, markersize=4, linewidth=1, capsize=2, **look)
