"""The command ``models``. Importing this loads no network runtime."""

import typer

from gaia_redshift.bundle import SHIPPED_MODELS, Bundle, discover
from gaia_redshift.commands import options
from gaia_redshift.errors import InvalidInputError, RedshiftError

EXAMPLES = """
gaia-redshift models
gaia-redshift models --models my-models
"""


def models(
    models: options.Models = SHIPPED_MODELS,
    model: options.Model = "default",
    public_key: options.PublicKey = None,
) -> None:
    """List the model bundles and check their hashes."""
    folders = discover(models)
    broken = 0
    for folder in folders:
        try:
            manifest = Bundle(folder, public_key).manifest
        except RedshiftError as error:
            broken += 1
            typer.echo(f"{folder.name}  REFUSED  {error.message}")
            continue
        default = " (default)" if model in {manifest.name, manifest.id} else ""
        typer.echo(f"{manifest.name} {manifest.version}{default}  {manifest.description}")
    if not folders:
        raise InvalidInputError(f"there is no bundle in {models}: give another folder with --models")
    if broken:
        raise typer.Exit(1)
