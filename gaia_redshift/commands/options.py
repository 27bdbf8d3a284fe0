"""Options that several commands share; each can also be set by an environment variable, as the service's settings."""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from gaia_redshift.bundle import SHIPPED_MODELS

_GROUP = "The model"


def _names(incomplete: str) -> list[str]:
    """Return the names of models that complete what was typed in the shell."""
    from gaia_redshift.bundle.shipped import manifests

    found = manifests(Path(os.environ.get("GAIA_REDSHIFT_MODELS") or SHIPPED_MODELS))
    return [manifest.name for manifest in found.values() if manifest.name.startswith(incomplete)]


Model = Annotated[
    str,
    typer.Option(
        "--model",
        "-m",
        envvar="GAIA_REDSHIFT_DEFAULT_MODEL",
        rich_help_panel=_GROUP,
        autocompletion=_names,
        help="Name of a bundle, name@version, or the path of a bundle's folder.",
    ),
]
Models = Annotated[
    Path,
    typer.Option(
        "--models", envvar="GAIA_REDSHIFT_MODELS", rich_help_panel=_GROUP, help="Folder of the model bundles."
    ),
]
Engine = Annotated[
    Literal["auto", "onnx", "keras"],
    typer.Option(
        "--engine",
        envvar="GAIA_REDSHIFT_ENGINE",
        rich_help_panel=_GROUP,
        help="Engine that runs the network; auto is Keras if there is a GPU, else ONNX Runtime.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        envvar="GAIA_REDSHIFT_THREADS",
        rich_help_panel=_GROUP,
        help="Threads for the network; all cores if absent.",
    ),
]
PublicKey = Annotated[
    Path | None,
    typer.Option(
        "--public-key",
        envvar="GAIA_REDSHIFT_BUNDLE_PUBLIC_KEY",
        rich_help_panel=_GROUP,
        help="Ed25519 public key (PEM); a bundle not signed with it is refused.",
    ),
]
