"""``gaia-redshift analyse``. Importing this file is cheap: numerical libraries are imported when the command runs."""

from pathlib import Path
from typing import Annotated

import typer

from gaia_redshift.errors import counted
from training.commands.options import DataArgument, PolicyOption

EXAMPLES = """
gaia-redshift analyse spectra.parquet --report analysis
"""


def analyse(
    data: DataArgument,
    report: Annotated[Path, typer.Option("--report", help="Directory for the figures, numbers and page.")],
    policy: PolicyOption = "refuse",
) -> None:
    """Describe a data set: redshifts, percentiles, spectra and mean fluxes, as figures and one page."""
    from training.data.dataset import read, say_dropped
    from training.evaluation.analysis import write_analysis

    dataset = read(data, policy)
    say_dropped(dataset)
    found = write_analysis(dataset, report)
    typer.echo(
        f"{counted(found.count, 'galaxy', 'galaxies')}, redshift mean {found.mean:.3f}, median {found.median:.3f}, "
        f"sd {found.sd:.3f}, skewness {found.skewness:.3f}; see {report / 'index.html'}"
    )
