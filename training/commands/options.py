"""What several commands share: arguments, options and their checks. Importing this loads no numerical library."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from gaia_redshift.bundle import NAME_PATTERN, VERSION_PATTERN
from gaia_redshift.engine.quiet import import_tensorflow
from gaia_redshift.errors import InvalidInputError, MissingDependencyError
from gaia_redshift.installation import how_to_install

DataArgument = Annotated[
    Path, typer.Argument(metavar="DATA", help="Labelled spectra: Parquet, CSV, FITS or VOTable with z and the fluxes.")
]

ModelArgument = Annotated[
    str, typer.Argument(metavar="MODEL", help="Folder of a bundle, or its name among the models.")
]

PolicyOption = Annotated[
    Literal["refuse", "drop"],
    typer.Option(help="Where rows are not finite, beyond z = 0.6, or repeated: refuse the file, or leave them out."),
]

ReplaceOption = Annotated[bool, typer.Option("--replace", help="Replace a bundle that is there already.")]

_NEEDED = ("joblib", "keras", "onnx", "sklearn", "tensorflow", "tf2onnx")


def load_networks(*more: str) -> None:
    """Import TensorFlow and Keras.

    Raises MissingDependencyError for the first package that a training, or this one, needs and that is missing: before
    it starts, since the converter is needed only at its end.
    """
    for package in (*_NEEDED, *more):
        if find_spec(package) is None:
            install = "pip install tensorboard" if package == "tensorboard" else how_to_install("train")
            raise MissingDependencyError(f"training needs {package}, which is not installed: {install}")
    import_tensorflow()


def check_id(name: str, version: str) -> None:
    """Raise InvalidInputError if no bundle may have this name or version."""
    for option, value, pattern in (("--name", name, NAME_PATTERN), ("--version", version, VERSION_PATTERN)):
        if not re.fullmatch(pattern, value):
            raise InvalidInputError(f"{option} {value!r} does not match {pattern}")
