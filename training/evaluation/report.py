"""The report of an evaluation: figures, ``metrics.json`` and a page. Imports `judge`, `page` and `plots`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.evaluation import page, plots
from training.evaluation.binned import BINNINGS, Group
from training.evaluation.judge import Evaluation
from training.evaluation.metrics import METRICS, PUBLISHED_IN_WORDS, plus_minus

IN_BINS = ("bias_median", "nmad", "outliers_15", "outliers_05", "rms", "mae", "coverage_68", "coverage_95")
HEADS = ("bias", "NMAD", "abs(dz) > 0.15", "abs(dz) > 0.05", "RMS", "MAE", "in 68%", "in 95%")

TITLES = {
    "loss": "Loss by epoch, training and validation (the dissertation's figures 13 and 14)",
    "mae": "Mean absolute error by epoch, training and validation (figure 15)",
    "error-per-bin": "Mean error and standard deviation per bin of true redshift (figure 16)",
    "redshifts": "How many galaxies have, and are given, each redshift (figure 17)",
    "predicted-true": "Predicted against true redshift, number of galaxies in logarithmic colour (figure 18)",
    "reliability": "Observed against nominal fraction of true redshifts in the intervals",
    "pit": "Histogram of the probability integral transform",
}

DEFINITIONS = (
    "dz = (predicted - true) / (1 + true redshift). NMAD = 1.4826 times the median of |dz - median dz|. MAE and RMS "
    "are of predicted - true. No estimate is unbiased both in bins of true and in bins of predicted redshift: one that "
    "is unbiased for what it predicts draws rare redshifts towards common ones, which the bins of true redshift show."
)


def write_report(found: Evaluation, directory: Path) -> None:
    """Write the figures, ``metrics.json`` and ``index.html``; raises InvalidInputError where that cannot be done."""
    with page.report_in(directory):
        figures = _draw(found, directory)
        numbers = json.dumps(found.as_dict(), indent=1, allow_nan=False)
        (directory / "metrics.json").write_text(numbers + "\n", "utf-8")
        (directory / "index.html").write_text(_page(found, figures, directory), "utf-8")


def _draw(found: Evaluation, directory: Path) -> dict[str, list[str]]:
    """Draw every figure into a directory; return their names by section of the page."""
    galaxies = found.galaxies
    shown = plots.draw_curves(directory, found.epochs) if found.epochs is not None else []
    shown += plots.draw_error_per_bin(directory, galaxies)
    shown += plots.draw_redshifts(directory, galaxies) + plots.draw_plane(directory, galaxies)
    return {
        "dissertation": shown,
        **{name: plots.draw_groups(directory, name, groups) for name, groups in found.binned.items()},
        "intervals": plots.draw_reliability(directory, galaxies),
        "densities": [] if galaxies.pit is None else plots.draw_pit(directory, galaxies.pit),
    }


def _page(found: Evaluation, figures: Mapping[str, Sequence[str]], directory: Path) -> str:
    def pictures(section: str) -> str:
        titles = {
            name: TITLES.get(name) or f"Bias, scatter, outliers and coverage {name.replace('-', ' ')}"
            for name in figures[section]
        }
        return "".join(page.picture(name, directory, title) for name, title in titles.items())

    sections = [
        *(page.paragraph(text) for text in found.sentences()),
        _overall(found.overall),
        page.paragraph(DEFINITIONS),
        page.paragraph("As the dissertation shows it", "h2"),
        _table_3(found),
        pictures("dissertation"),
    ]
    for name, groups in found.binned.items():
        sections += [page.paragraph(f"By {BINNINGS[name].title}", "h2"), _binned(name, groups), pictures(name)]
    sections += [page.paragraph("Coverage of the intervals", "h2"), pictures("intervals")]
    if found.density:
        text = (
            f"Probability integral transform against a flat distribution: KS distance {found.density['pit_ks']:.4f} "
            "(the largest distance between the two cumulative distributions)."
        )
        sections += [page.paragraph("Densities", "h2"), page.paragraph(text), pictures("densities")]
    return page.page(f"Evaluation of {found.model}", *sections)


def _overall(group: Group) -> str:
    rows = [
        (words, f"{estimate.value:{how}}", plus_minus(estimate.error, how))
        for key, (words, how) in METRICS.items()
        if (estimate := group.metrics.get(key))
    ]
    return page.table(f"{group.count:,} galaxies", rows, ("", "value", "error"))


def _table_3(found: Evaluation) -> str:
    rows = [
        (f"{row.low:.2f} - {row.high:.2f}", f"{row.count:,}", f"{row.percent:.2f}", *row.errors_in_words(), *published)
        for row, published in zip(found.table_3, PUBLISHED_IN_WORDS, strict=True)
    ]
    head = ("true redshift", "galaxies", "%", "mean error", "sigma", "real: mean error", "real: sigma", "real: %")
    note = "Columns “real” are the dissertation's, on real spectra: other galaxies, not directly comparable."
    return page.table("Table 3: predicted - true per bin", rows, head) + page.paragraph(note)


def _binned(name: str, groups: Sequence[Group]) -> str:
    def cell(group: Group, key: str) -> str:
        estimate, how = group.metrics.get(key), METRICS[key][1]
        return f"{estimate.value:{how}}\n{plus_minus(estimate.error, how)}" if estimate else ""

    rows = [
        (f"{group.low:g} - {group.high:g}", f"{group.count:,}", *(cell(group, key) for key in IN_BINS))
        for group in groups
    ]
    return page.table("", rows, (name.replace("_", " "), "galaxies", *HEADS))
