"""``gaia-redshift upgrade``. Importing this file is cheap: TensorFlow is imported when the command runs."""

import os
from pathlib import Path
from typing import Annotated

import typer

from training.commands.options import ReplaceOption, load_networks

EXAMPLES = """
gaia-redshift upgrade old-models/mine models/mine
"""


def upgrade(
    old: Annotated[Path, typer.Argument(help="Folder of a bundle of schema version 1, which you trust.")],
    new: Annotated[Path, typer.Argument(help="Folder to write.")],
    *,
    public_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Ed25519 key in PEM that must have signed the old bundle.")
    ] = None,
    replace: ReplaceOption = False,
) -> None:
    """Write a bundle of an earlier version in the form of this one: same network, same answers, no training."""
    os.environ["KERAS_BACKEND"] = "tensorflow"  # only TensorFlow can trace the graph
    load_networks()
    from training.release.upgrade import ROUNDING, convert_bundle

    manifest, change = convert_bundle(old, new, public_key, replace=replace)
    largest = f"moved by at most {change.largest:.0e}" if change.largest > ROUNDING else "stayed as they were"
    typer.echo(
        f"{new}: {manifest.id}; redshifts and interval ends of {change.spectra} spectra {largest}, "
        f"flags changed in {change.flags}"
    )
