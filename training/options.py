"""What several commands are told in the same words. Importing this loads no numerical library."""

from pathlib import Path
from typing import Annotated, Literal

import typer

DataArgument = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="Labelled spectra: Parquet, CSV, FITS or VOTable with z and the fluxes."),
]

PolicyOption = Annotated[
    Literal["refuse", "drop"],
    typer.Option(help="Of rows that are not finite, beyond z = 0.6, or repeated: refuse the file, or leave them out."),
]
