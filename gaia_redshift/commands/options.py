"""Options that several commands take; each can stand in the environment, as the service's settings do."""

from pathlib import Path
from typing import Annotated, Literal

import typer

Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        envvar="GAIA_REDSHIFT_DEFAULT_MODEL",
        help="Name of a bundle, name@version, or the path of a bundle's folder.",
    ),
]
Models = Annotated[Path, typer.Option("--models", envvar="GAIA_REDSHIFT_MODELS", help="Folder of the model bundles.")]
Engine = Annotated[
    Literal["auto", "onnx", "keras"],
    typer.Option("--engine", envvar="GAIA_REDSHIFT_ENGINE", help="What runs the network; auto: Keras on a GPU."),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads", min=1, envvar="GAIA_REDSHIFT_THREADS", help="Threads of the network; all cores if absent."
    ),
]
PublicKey = Annotated[
    Path | None,
    typer.Option(
        "--public-key",
        envvar="GAIA_REDSHIFT_BUNDLE_PUBLIC_KEY",
        help="Ed25519 key (PEM) that must have signed a bundle.",
    ),
]
