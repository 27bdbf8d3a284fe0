"""Arguments and options that several commands share. Importing this loads no numerical library."""

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from gaia_redshift.errors import MissingDependencyError
from gaia_redshift.installation import how_to_install

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled spectra: Parquet, CSV, FITS or VOTable with z and the fluxes.")
]

PolicyOption = Annotated[
    Literal["refuse", "drop"],
    typer.Option(help="Of rows that are not finite, beyond z = 0.6, or repeated: refuse the file, or leave them out."),
]

_NEEDED = ("joblib", "keras", "onnx", "sklearn", "tensorflow", "tf2onnx")


def require_packages(*more: str) -> None:
    """Raise MissingDependencyError for the first package that a training, or this one, needs and that is missing.

    Before it starts: the converter is needed at its end only.
    """
    for package in (*_NEEDED, *more):
        if find_spec(package) is None:
            install = "pip install tensorboard" if package == "tensorboard" else how_to_install("train")
            raise MissingDependencyError(f"training needs {package}, which is not installed: {install}")
