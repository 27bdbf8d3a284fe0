"""The style of every figure: colours for the colour-blind, labelled axes, PNG and SVG. Needs matplotlib.

with figure("redshifts", directory) as axes:
    axes.hist(redshift)
    axes.set(xlabel="redshift", ylabel="galaxies")
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gaia_redshift.errors import MissingDependencyError

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe & Ito 2008: blue, vermilion, green, purple, orange, sky blue."""

INK = "#222222"
PNG_DOTS_PER_INCH = 110

STYLE: dict[Any, object] = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.constrained_layout.use": True,
    "figure.figsize": (7.0, 4.2),
    "font.size": 10,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.4,
    "svg.fonttype": "none",
    "svg.hashsalt": "gaia-redshift",
    "text.usetex": False,  # importing gaiaxpy turns it on
    "xtick.color": INK,
    "ytick.color": INK,
}


@contextmanager
def figure(name: str, directory: Path, **grid: Any) -> Iterator[Any]:  # matplotlib's own options
    """Draw one figure and save it as ``name.png`` and ``name.svg`` in a directory that exists.

    `grid` is passed to ``matplotlib.pyplot.subplots``: nrows, ncols, sharex, figsize and the like. Yields axes, or an
    array of them. Raises MissingDependencyError if matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from cycler import cycler
    except ImportError as error:
        raise MissingDependencyError("figures need matplotlib: install gaia-redshift[train]") from error
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    with mpl.rc_context({**STYLE, "axes.prop_cycle": cycler(color=PALETTE)}):
        drawing, axes = plt.subplots(**grid)
        try:
            yield axes
            # Without the date the same figure is the same file.
            drawing.savefig(directory / f"{name}.svg", metadata={"Date": None})
            drawing.set_layout_engine("none")  # it is laid out, which takes as long as drawing it
            drawing.savefig(directory / f"{name}.png", dpi=PNG_DOTS_PER_INCH)
        finally:
            plt.close(drawing)
