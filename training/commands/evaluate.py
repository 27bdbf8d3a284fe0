"""``gaia-redshift evaluate``: a model on labelled spectra, in the dissertation's terms and those of photo-z work.

Importing this loads no numerical library beyond what the command line needs.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from gaia_redshift.bundle import SHIPPED_MODELS
from gaia_redshift.commands.options import Models
from training.commands.options import DataArgument, ModelArgument, PolicyOption

EXAMPLES = """
gaia-redshift evaluate default spectra.parquet --report report
gaia-redshift evaluate models/mine spectra.parquet --report report --part all
"""

_SAID = (("MAE", "mae"), ("NMAD", "nmad"), ("bias", "bias_median"), ("outliers", "outliers_15"), ("68%", "coverage_68"))


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
    from training.evaluation.judge import judge
    from training.evaluation.metrics import METRICS
    from training.evaluation.predicted import load_model
    from training.evaluation.report import write_report

    loaded = load_model(model, models)
    dataset = load(data, policy)
    say_dropped(dataset)
    found = judge(loaded, dataset, part, prior)
    write_report(found, report)
    values = found.overall.metrics
    said = ", ".join(f"{name} {values[key].value:{METRICS[key][1]}}" for name, key in _SAID if key in values)
    typer.echo(f"{found.model} on {found.how}: {said or 'too few to measure'}; see {report / 'index.html'}")
