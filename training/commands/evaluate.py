"""``gaia-redshift evaluate``: a model on labelled spectra, in the dissertation's terms and those of photo-z work.

Importing this loads no numerical library beyond what the command line needs.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands.options import Models
from training.commands.options import DataArgument, ModelArgument, PolicyOption
from training.evaluation import page
from training.evaluation.metrics import METRICS, PUBLISHED, plus_minus

if TYPE_CHECKING:
    from training.evaluation.binned import Group
    from training.evaluation.judge import Evaluation

IN_BINS = ("bias_median", "nmad", "outliers_15", "outliers_05", "rms", "mae", "coverage_68", "coverage_95")
HEADS = ("bias", "NMAD", "abs(dz) > 0.15", "abs(dz) > 0.05", "RMS", "MAE", "in 68%", "in 95%")

DEFINITIONS = (
    "dz = (predicted - true) / (1 + true redshift). NMAD = 1.4826 times the median of |dz - median dz|. MAE and RMS "
    "are of predicted - true. No estimate is unbiased both in bins of true and in bins of predicted redshift: one that "
    "is unbiased for what it predicts draws rare redshifts towards common ones, which the bins of true redshift show."
)

EXAMPLES = """
gaia-redshift evaluate default spectra.parquet --report report
gaia-redshift evaluate models/mine spectra.parquet --report report --part all
"""


def evaluate(
    model: ModelArgument,
    data: DataArgument,
    report: Annotated[Path, typer.Option("--report", help="Directory for the page, the figures and metrics.json.")],
    *,
    part: Annotated[
        Literal["train", "validation", "test", "all"] | None,
        typer.Option(help="Which galaxies; by default the test part where one is known, else all."),
    ] = None,
    prior: Annotated[
        Literal["survey", "flat"], typer.Option(help="Prior of densities; a point model has the survey's alone.")
    ] = "survey",
    policy: PolicyOption = "refuse",
    models: Models = SHIPPED_MODELS,
) -> None:
    """Evaluate a model on labelled spectra: the dissertation's tables and figures, photo-z metrics, its intervals."""
    from training.data.dataset import load, say_dropped
    from training.evaluation.judge import draw, judge
    from training.evaluation.predicted import load_model

    loaded = load_model(model, models)
    dataset = load(data, policy)
    say_dropped(dataset)
    found = judge(loaded, dataset, part, prior)
    with page.report_in(report):
        figures = draw(found, report)
        (report / "metrics.json").write_text(json.dumps(found.as_dict(), indent=1, allow_nan=False) + "\n", "utf-8")
        (report / "index.html").write_text(_page(found, figures, report), "utf-8")
    values = found.overall.metrics
    said = ", ".join(f"{name} {values[key].value:{METRICS[key][1]}}" for name, key in _SAID if key in values)
    typer.echo(f"{found.model} on {found.how}: {said or 'too few to measure'}; see {report / 'index.html'}")


_SAID = (("MAE", "mae"), ("NMAD", "nmad"), ("bias", "bias_median"), ("outliers", "outliers_15"), ("68%", "coverage_68"))


def _page(found: "Evaluation", figures: Mapping[str, Sequence[str]], directory: Path) -> str:
    def pictures(section: str) -> str:
        return "".join(page.picture(name, directory, found.title(name)) for name in figures.get(section, ()))

    sections = [
        *(page.paragraph(text) for text in found.sentences()),
        _overall(found),
        page.paragraph(DEFINITIONS),
        page.heading("As the dissertation shows it"),
        _table_3(found),
        pictures("dissertation"),
    ]
    for name, groups in found.binned.items():
        sections += [page.heading(f"By {found.binning(name).title}"), _binned(name, groups), pictures(name)]
    sections += [page.heading("Coverage of the intervals"), pictures("intervals")]
    if found.density:
        text = (
            f"Probability integral transform against a flat distribution: KS distance {found.density['pit_ks']:.4f} "
            "(the largest distance between the two cumulative distributions)."
        )
        sections += [page.heading("Densities"), page.paragraph(text), pictures("densities")]
    return page.page(f"Evaluation of {found.model}", *sections)


def _overall(found: "Evaluation") -> str:
    rows = [
        (words, f"{estimate.value:{how}}", plus_minus(estimate.error, how))
        for key, (words, how) in METRICS.items()
        if (estimate := found.overall.metrics.get(key))
    ]
    return page.table(f"{found.overall.count:,} galaxies", rows, ("", "value", "error"))


def _table_3(found: "Evaluation") -> str:
    rows = [
        (
            f"{row.low:.2f} - {row.high:.2f}",
            f"{row.count:,}",
            f"{row.percent:.2f}",
            f"{row.mean_error:+.4f}" if row.count else "",
            f"{row.sigma:.4f}" if row.count > 1 else "",
            f"{mean:+.4f}",
            f"{sigma:.4f}",
            f"{percent:.2f}",
        )
        for row, (mean, sigma, percent) in zip(found.table_3, PUBLISHED, strict=True)
    ]
    head = ("true redshift", "galaxies", "%", "mean error", "sigma", "real: mean error", "real: sigma", "real: %")
    note = "Columns “real” are the dissertation's, on real spectra: other galaxies, not directly comparable."
    return page.table("Table 3: predicted - true per bin", rows, head) + page.paragraph(note)


def _binned(name: str, groups: "Sequence[Group]") -> str:
    def cell(group: "Group", key: str) -> str:
        estimate, how = group.metrics.get(key), METRICS[key][1]
        return f"{estimate.value:{how}}\n{plus_minus(estimate.error, how)}" if estimate else ""

    rows = [
        (f"{group.low:g} - {group.high:g}", f"{group.count:,}", *(cell(group, key) for key in IN_BINS))
        for group in groups
    ]
    return page.table("", rows, (name.replace("_", " "), "galaxies", *HEADS))
